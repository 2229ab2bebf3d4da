#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/device/executor.h"
#include "core/device/memory_ceiling.h"
#include "core/device/run_batch.h"
#include "core/device/shared_device.h"
#include "core/device/stage_queue.h"
#include "core/device/start_gate.h"

namespace flowtts {

/// One device stage on one device: its loaded copy, and the lanes that run it.
///
/// Lane 0's thread starts the device, binds and loads; the other lanes bind once it has loaded. A
/// lane holds the copy while it runs a batch, and the last lane to end lets go of it, so that it is
/// always destroyed on a thread where the device is bound.
class DeviceLanes {
 public:
  using Clock = std::chrono::steady_clock;
  /// Told once, on a lane's thread, that the device is lost and no other is left.
  using NoneLeft = std::function<void(const Error&)>;

  /// Everything that is referred to outlives this object.
  /// \param number the device's among the stage's, as the queue counts.
  DeviceLanes(const DeviceStagePlan& plan, SharedDevice& device, std::size_t number, int lanes,
              StageQueue& queue, const std::atomic<bool>& cancelled, const Deliver& deliver,
              NoneLeft none_left);
  ~DeviceLanes();

  /// Starts the threads. Each arrives at the gate under its number, counted from `first_lane`.
  void start(const std::shared_ptr<StartGate>& gate, std::size_t first_lane);

  /// Waits for the threads to end: the gate has sent them home or the queue is closed.
  void join();

  std::size_t lanes() const { return lanes_.size(); }
  DeviceUse use() const;
  /// Ages are taken at `now`, so that devices can be compared.
  std::optional<DeviceExecutor::Running> oldest_running(Clock::time_point now) const;

 private:
  struct Copy;
  struct Lane {
    explicit Lane(DeviceContext where) : context(where) {}
    DeviceContext context;
    std::thread thread;
    const RecordKey* running = nullptr;  ///< First item of the batch at hand; guarded by `mutex_`.
    Clock::time_point since;
  };
  using Binding = std::unique_ptr<LaneBinding>;

  void run(Lane& lane, StartGate& gate, std::size_t number);
  void work_until_closed(Lane& lane);
  void leave();
  std::optional<Error> prepare(Lane& lane, Binding& binding);
  Result<std::shared_ptr<const Copy>> start_and_load(Lane& lane, Binding& binding);
  Result<std::shared_ptr<const Copy>> load_copy(DeviceContext& context);
  void set_limits(const AnyStage& stage);
  void publish(std::shared_ptr<const Copy> copy);
  std::shared_ptr<const Copy> wait_for_copy();
  std::shared_ptr<const Copy> newest_copy() const;

  void work(Lane& lane, const LoadedStage& loaded, Batch batch);
  void finish_first_half(Batch& batch, std::vector<JobOutcome> outcomes, const AnyStage& stage);
  void finish_last_half(Batch& batch, std::vector<JobOutcome> outcomes);
  void count(const Batch& batch, BatchHalf half, double seconds, const MemoryRecoveries& recovered);
  bool device_is_lost(const std::vector<JobOutcome>& outcomes);
  void give_up_device(Batch& batch, const std::vector<JobOutcome>& outcomes);

  bool recycling_due();
  void recycle(Lane& lane);
  Error located(Error error) const;

  const DeviceStagePlan& plan_;
  SharedDevice& device_;
  const std::size_t number_;
  StageQueue& queue_;
  const std::atomic<bool>& cancelled_;
  const Deliver& deliver_;
  const NoneLeft none_left_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  MemoryCeiling first_ceiling_;
  MemoryCeiling last_ceiling_;
  QueuePort port_;  ///< Set by lane 0 before it publishes the copy.
  std::atomic<bool> lost_ = false;
  std::mutex one_recycles_;

  mutable std::mutex mutex_;
  std::condition_variable published_changed_;
  bool published_ = false;
  std::shared_ptr<const Copy> copy_;   ///< The newest; null where loading failed, and at the end.
  std::uint64_t batches_of_copy_ = 0;  ///< Of the newest.
  std::size_t threads_ = 0;            ///< Lanes that have not ended.
  std::shared_ptr<DeviceRuntime> runtime_;  ///< Once the device has started.
  DeviceUse use_;
};

}  // namespace flowtts
