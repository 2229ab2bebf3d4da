#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "core/device/executor.h"
#include "core/device/nvml.h"
#include "core/run/run_state.h"

namespace flowtts {

/// The run's own eyes, on a thread of its own from construction to `finish`: reports progress,
/// names stages that make none (the watchdog), and carries out a request to stop: reading ends at
/// once, what is in flight has `run.drain_s` to finish, then it is cancelled.
class Monitor {
 public:
  Monitor(RunState& state, DeviceExecutor* executor, const RunOptions& options);
  ~Monitor() { finish(); }

  void finish();
  bool interrupted() const { return interrupted_; }
  /// Of the devices' time since the beginning, how much a kernel ran; negative: not known.
  double active_share(DeviceId device) const { return activity_.share(device); }

 private:
  void watch();
  void report_progress();
  void look_for_stalls();
  void look_for_stop();
  void look_for_lost_devices();
  /// What a stage's oldest work is; for a device stage, what is on a lane.
  std::optional<StageStats::Oldest> oldest_work(std::size_t stage) const;
  std::string edges_of(std::size_t stage) const;

  RunState& state_;
  DeviceExecutor* const executor_;
  const RunOptions& options_;
  GpuActivity activity_;
  Clock::time_point last_activity_;
  std::set<std::size_t> stalled_;
  std::set<DeviceId> lost_;
  bool interrupted_ = false;
  Clock::time_point interrupted_at_;
  Clock::time_point last_progress_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  ///< Last: it starts when everything else is there.
};

}  // namespace flowtts
