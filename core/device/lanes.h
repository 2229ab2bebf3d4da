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
#include "core/device/lane_batch.h"
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
///
/// A lane that hangs is abandoned: its thread is detached, holds what it refers to (the executor's
/// inside with all of this, the copy, its part of the batch), and does nothing more once it comes
/// back but go. A new lane takes its place. That first binds and lets the device finish what it was
/// given: where the device does not, this lane hangs in turn, and the device is lost.
class DeviceLanes {
 public:
  using Clock = std::chrono::steady_clock;
  /// Told once, on a lane's or the watching thread, that the device is lost and no other is left.
  using NoneLeft = std::function<void(const Error&)>;

  /// Everything that is referred to outlives this object.
  /// \param number the device's among the stage's, as the queue counts.
  DeviceLanes(const DeviceStagePlan& plan, SharedDevice& device, std::size_t number, int lanes,
              StageQueue& queue, const std::atomic<bool>& cancelled, const Deliver& deliver,
              NoneLeft none_left);
  ~DeviceLanes();

  /// Starts the threads. Each arrives at the gate under its number, counted from `first_lane`.
  /// \param owner of all that the threads refer to; each of them holds it.
  void start(const std::shared_ptr<const void>& owner, const std::shared_ptr<StartGate>& gate,
             std::size_t first_lane);

  /// Waits for the threads to end, for so long at the most: the gate has sent them home or the
  /// queue is closed. Whether they have, those apart that were abandoned.
  bool join(std::chrono::milliseconds at_most);

  /// Abandons the lanes that will, `at` that time, have been at one thing for longer than the plan
  /// allows.
  /// \param found is added to: what was abandoned, for the user.
  void abandon_hung(Clock::time_point at, std::vector<std::string>& found);
  /// Abandons all that are at anything; their jobs end as cancelled.
  void abandon_all();

  std::size_t lanes() const { return count_; }
  /// Asks the device for its memory, unless it is lost or one of its threads hangs.
  DeviceUse use() const;
  /// Threads that have been abandoned and have not come back.
  int stuck() const;
  /// Asks the device nothing.
  DeviceExecutor::DeviceNow now() const;
  /// Ages are taken at `now`, so that devices can be compared.
  std::optional<DeviceExecutor::Running> oldest_running(Clock::time_point now) const;

 private:
  struct Copy;
  enum class Activity { kNone, kLoads, kChecks, kRuns };
  struct Lane {
    Lane(DeviceContext where, std::size_t place) : context(where), index(place) {}
    DeviceContext context;
    const std::size_t index;
    std::shared_ptr<LaneBatch> batch;  ///< While it runs.
    // The rest is guarded by `mutex_`.
    std::thread thread;
    std::size_t number = 0;  ///< At the gate.
    bool arrived = false;    ///< There.
    Activity activity = Activity::kNone;
    Clock::time_point since;
    std::vector<LaneJob> suspects;  ///< To be run again one by one, by a lane that checks.
    bool abandoned = false;
    bool ended = false;
  };
  using LanePtr = std::shared_ptr<Lane>;
  using Binding = std::unique_ptr<LaneBinding>;
  /// A lane that is abandoned, and what is to be done about it once `mutex_` is free.
  struct Abandoned {
    LanePtr lane;
    Activity activity = Activity::kNone;
    double seconds = 0;
    std::string first_record;
    std::vector<LaneJob> jobs;
    bool too_many = false;
    bool at_gate = false;  ///< The start still waits for it.
  };

  void run(const LanePtr& lane);
  void run_in_place_of(const LanePtr& lane);
  void work_until_closed(const LanePtr& lane);
  void leave(Lane& lane);
  void arrive(Lane& lane, std::optional<Error> failure);
  std::optional<Error> prepare(Lane& lane, Binding& binding);
  Result<std::shared_ptr<const Copy>> start_and_load(Lane& lane, Binding& binding);
  Result<std::shared_ptr<const Copy>> load_copy(Lane& lane, bool wait_for_turn);
  void set_limits(const AnyStage& stage);
  void publish(std::shared_ptr<const Copy> copy);
  std::shared_ptr<const Copy> wait_for_copy();
  std::shared_ptr<const Copy> newest_copy() const;

  void work(const LanePtr& lane, const LoadedStage& loaded, Batch batch);
  void finish_first_half(std::vector<LaneJob> jobs, std::vector<JobOutcome> outcomes,
                         const AnyStage& stage);
  void finish_last_half(std::vector<LaneJob> jobs, std::vector<JobOutcome> outcomes);
  void count(const LaneBatch& batch, BatchHalf half, double seconds,
             const MemoryRecoveries& recovered);
  static std::optional<Error> loss_in(const std::vector<JobOutcome>& outcomes);
  void give_up_device(std::vector<LaneJob> jobs, const std::string& why, bool alone);

  bool begin(Lane& lane, Activity activity);
  bool touch(Lane& lane);
  bool end(Lane& lane);
  Abandoned abandon(const LanePtr& lane, double seconds);
  std::string act_on(Abandoned hung);
  void end_without(Abandoned taken, const Error& why);
  void leave_for(const Lane& lane);
  void replace(const Lane& lane, std::vector<LaneJob> suspects);
  void run_alone(std::vector<LaneJob> jobs);

  bool recycling_due();
  void recycle(Lane& lane);
  Error located(Error error) const;

  const DeviceStagePlan& plan_;
  SharedDevice& device_;
  const std::size_t number_;
  const std::size_t count_;
  StageQueue& queue_;
  const std::atomic<bool>& cancelled_;
  const Deliver& deliver_;
  const NoneLeft none_left_;
  std::weak_ptr<const void> owner_;
  std::shared_ptr<StartGate> gate_;
  MemoryCeiling first_ceiling_;
  MemoryCeiling last_ceiling_;
  QueuePort port_;  ///< Set by lane 0 before it publishes the copy.
  std::atomic<bool> lost_ = false;
  std::mutex one_recycles_;

  mutable std::mutex mutex_;
  std::condition_variable published_changed_;
  std::condition_variable lane_ended_;
  std::vector<LanePtr> lanes_;  ///< Those that were not abandoned.
  bool published_ = false;
  std::shared_ptr<const Copy> copy_;   ///< The newest; null where loading failed, and at the end.
  std::uint64_t batches_of_copy_ = 0;  ///< Of the newest.
  std::size_t threads_ = 0;            ///< Lanes that have neither ended nor been abandoned.
  int stuck_ = 0;                      ///< Those that were, and have not come back.
  std::shared_ptr<DeviceRuntime> runtime_;  ///< Once the device has started.
  DeviceUse use_;
};

}  // namespace flowtts
