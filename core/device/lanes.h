#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/device/executor.h"
#include "core/device/shared_device.h"
#include "core/device/stage_queue.h"
#include "core/device/start_gate.h"

namespace flowtts {

/// One device stage on one device: its loaded copy, and the lanes that run it.
///
/// Lane 0's thread starts the device, binds and loads; the other lanes bind once it has loaded.
/// Each lane holds the copy, so that the last one destroys it, on a thread where the device is
/// bound.
class DeviceLanes {
 public:
  using Clock = std::chrono::steady_clock;

  /// Everything that is referred to outlives this object.
  DeviceLanes(const DeviceStagePlan& plan, SharedDevice& device, int lanes, StageQueue& queue,
              const std::atomic<bool>& cancelled);

  /// Starts the threads. Each arrives at the gate under its number, counted from `first_lane`.
  void start(const std::shared_ptr<StartGate>& gate, std::size_t first_lane);

  /// After all have arrived and before the gate opens: from now on only the lanes hold the copy.
  void hand_over_copy();

  /// Waits for the threads to end: the gate has sent them home or the queue is closed.
  void join();

  std::size_t lanes() const { return lanes_.size(); }
  DeviceUse use() const;
  /// Ages are taken at `now`, so that devices can be compared.
  std::optional<DeviceExecutor::Running> oldest_running(Clock::time_point now) const;

 private:
  struct Lane {
    explicit Lane(DeviceContext where) : context(where) {}
    DeviceContext context;
    std::thread thread;
    const RecordKey* running = nullptr;  ///< First item of the batch at hand; guarded by `mutex_`.
    Clock::time_point since;
  };
  struct Hold;

  void run(Lane& lane, StartGate& gate, std::size_t number);
  std::optional<Error> prepare(Lane& lane, Hold& hold);
  std::optional<Error> load(Lane& lane, Hold& hold);
  void publish(std::shared_ptr<const AnyStage> copy);
  std::shared_ptr<const AnyStage> wait_for_copy();
  void work(Lane& lane, const AnyStage& stage, Batch batch);
  Error located(Error error) const;

  const DeviceStagePlan& plan_;
  SharedDevice& device_;
  StageQueue& queue_;
  const std::atomic<bool>& cancelled_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  BatchLimits limits_;  ///< Set by lane 0 before it publishes the copy.

  mutable std::mutex mutex_;
  std::condition_variable published_changed_;
  bool published_ = false;
  std::shared_ptr<const AnyStage> copy_;    ///< Null where loading failed.
  std::shared_ptr<DeviceRuntime> runtime_;  ///< Once the device has started.
  DeviceUse use_;
};

}  // namespace flowtts
