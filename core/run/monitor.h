#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "core/device/executor.h"
#include "core/device/nvml.h"
#include "core/run/run_state.h"

namespace flowtts {

/// The run's own eyes, on a thread of its own from construction to `finish`. It reports progress,
/// and carries out a request to stop: reading ends at once, what is in flight has `run.drain_s` to
/// finish, then it is cancelled.
///
/// It is the watchdog as well. After `run.stall_after_s`, and again when that has doubled, it names
/// a stage whose oldest item is still not done and says how the whole graph stands. After
/// `run.hang_after_s` it acts: on lanes by DeviceExecutor::watch; and where nothing at all has
/// moved for so long but a CPU stage has an item in it, the run fails. A source that waits for its
/// input is no such stage.
///
/// A run that has been cancelled and does not come to its end is abandoned, first the devices'
/// lanes and then the graph: 2 s after an interruption or a hang, later after another failure, so
/// that what is at work may come back.
class Monitor {
 public:
  Monitor(RunState& state, DeviceExecutor* executor, const RunOptions& options);
  ~Monitor() { finish(); }

  void finish();
  /// Of the devices' time since the beginning, how much a kernel ran; negative: not known.
  double active_share(DeviceId device) const { return activity_.share(device); }

 private:
  void watch();
  void report_progress();
  void look_for_stalls();
  void look_for_hang();
  void look_for_stop();
  void look_for_end();
  void look_for_lost_devices();
  /// What a stage's oldest work is; for a device stage, what is on a lane.
  std::optional<StageStats::Oldest> oldest_work(std::size_t stage) const;
  std::uint64_t events() const;
  bool lanes_busy() const;

  RunState& state_;
  DeviceExecutor* const executor_;
  const RunOptions& options_;
  GpuActivity activity_;
  Clock::time_point last_activity_;
  std::map<std::size_t, double>
      speak_again_;  ///< By stage that stalls: at which age of its oldest.
  std::set<std::pair<std::size_t, DeviceId>> lost_;
  std::optional<Clock::time_point> interrupted_at_;
  std::optional<Clock::time_point> cancelled_at_;
  std::uint64_t events_ = 0;
  Clock::time_point moved_ = Clock::now();  ///< When `events_` changed.
  bool hung_ = false;
  Clock::time_point last_progress_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  ///< Last: it starts when everything else is there.
};

}  // namespace flowtts
