#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/registry.h>

namespace flowtts {

/// When a lane takes a batch. All limits hold at once.
struct BatchPolicy {
  std::size_t max_items = 64;
  double max_wait_ms = 20;        ///< How long an item waits for company that fills its batch.
  std::size_t max_length = 0;     ///< Rows × longest length, in the stage's own unit; 0: no limit.
                                  ///< An item that is longer runs alone.
  std::size_t look_ahead = 4096;  ///< Of a stage that works in two halves: how many items a device
                                  ///< prepares before it finishes some.
};

/// When a device's copy of a stage is loaded anew, for models that hold ever more memory. 0: never.
struct RecyclePolicy {
  std::uint64_t after_batches = 0;
  std::uint64_t when_reserved_over = 0;  ///< Bytes of the device's memory.
};

/// A map that runs in a device stage's lanes.
struct LaneStagePlan {
  std::string id;
  const AnyStage* prototype = nullptr;  ///< As DeviceStagePlan's.
};

/// A device stage as the plan has it.
struct DeviceStagePlan {
  std::string id;
  const AnyStage* prototype =
      nullptr;  ///< Configured; copied once a device. Outlives the executor.
  std::string runtime = "host";
  std::vector<DeviceId> devices;
  int lanes = 0;  ///< A device; 0 chooses: the cores divided by the run's CPU devices, 2 for a GPU.
  BatchPolicy batch;
  MemoryLimit memory_limit;  ///< On each device; the same for all stages of a run.
  RecyclePolicy recycle;
  double hang_after_s = 0;  ///< From when on a batch or a loading counts as hung; 0: never.
  std::vector<LaneStagePlan> in_lane;  ///< In the order of the flow.
};

/// An item on its way through a device stage.
struct DeviceJob {
  AnyPayload payload;
  Item item;
  std::shared_ptr<const void> owner;  ///< Keeps alive what `item` refers to.
  /// Called exactly once: on a lane's thread, on the one that cancels, watches, abandons or stops,
  /// or before `submit` returns where the job is refused. No lock is held. Must not throw (that
  /// ends the process), block, or call `stop`; it may submit. The number says where the job ended:
  /// 0 the device stage, n the n-th map in its lane.
  std::function<void(Result<AnyPayload>, std::size_t)> done;
};

/// What a device did for all of a stage's batches, or for one of their halves.
struct HalfUse {
  std::uint64_t batches = 0;
  std::uint64_t items = 0;
  std::uint64_t rows = 0;           ///< Of the batches' shapes: items, and rows left empty.
  std::uint64_t length = 0;         ///< Sum of the items' lengths, in the stage's own unit.
  std::uint64_t padded_length = 0;  ///< Sum over batches of rows × longest length.
  double busy_seconds = 0;          ///< On a lane, summed over lanes.
  double queue_seconds = 0;         ///< That items waited for a lane, summed over items.
};

/// What a device did, for the summary and run.json.
struct DeviceUse {
  DeviceInfo device;
  int lanes = 0;
  HalfUse first;            ///< Of a stage that works in two halves.
  HalfUse last;             ///< The second half, or the only one.
  double load_seconds = 0;  ///< Of this stage, without waiting for others to load.
  DeviceMemory memory;      ///< Of the whole device.
  MemoryRecoveries recoveries;
  std::size_t ceiling = 0;     ///< Rows × longest length that a batch may have by now; 0: any.
  std::uint64_t recycled = 0;  ///< How often the stage was loaded anew.
  std::uint64_t hung = 0;      ///< Batches that were taken back from a lane.
  std::string numerics;        ///< What the loaded stage says of itself; see DeviceStage.
  std::string advice;
  std::string lost;  ///< Why the device was given up; empty where it was not.
};

/// The only owner of devices in a run. For each device stage and device there is one loaded copy of
/// the stage and `lanes` threads; all lanes of all devices of a stage pull batches from one queue
/// that is bucketed by length, so that a fast device never waits for a slow one.
///
/// Lifecycle: construct, `start` once, `submit` as often as wanted from any thread, `stop`. The
/// destructor stops. `submit`, `flush`, `cancel` and what only reads may come from any thread at
/// any time; jobs that come before `start` wait for it.
///
/// Batches: see BatchQueue and StageQueue. A full batch is taken as soon as a lane is free; one
/// that is not full when an item has waited for `max_wait_ms`, or after `flush`. A stage that works
/// in two halves is batched twice: for the first half from the one queue of all devices, for the
/// second from the items that the device has prepared.
///
/// Bounds: the queue holds what has been submitted and not yet taken. The run's credits bound that;
/// the executor itself never blocks a submitter and never drops a job: after `cancel` every job
/// that has not begun, and every later one, is done with the Error "cancelled".
///
/// Errors: a stage's exception is an Error of its batch ("exception", or for std::bad_alloc the
/// retryable "out_of_memory"), and a batch of several items that fails so is run again item by
/// item, so that one bad item fails alone; what the stage held is gone by then. A result of the
/// wrong number of items is the Error "wrong_result_count" of each. Errors that the stage returns,
/// fatal ones among them, go to `done` as they are: it is the caller who cancels.
///
/// Memory: a batch that says kOutOfMemoryCode, or throws std::bad_alloc, is got through as
/// run_within_memory describes; only an item that does not fit alone ends with that Error.
///
/// Lost devices: a batch that says kDeviceLostCode takes its device out of the run. The batch and
/// what the device had prepared go to the other devices; a job that was at work on two devices as
/// they were lost fails. Where no device is left, every job ends with a fatal Error of that code.
/// What a lost device holds is never freed, since its library cannot be trusted any more.
///
/// Hung lanes: `watch` takes back a batch that has been on a lane for longer than `hang_after_s`.
/// The thread cannot be ended; it is abandoned, with all that its call may still look at, and
/// whatever it brings later is dropped. A new lane takes its place. That first lets the device
/// finish what it was given, on its own thread, since the question itself may hang: where the
/// device does not answer within another `hang_after_s` it is lost, as it is where more than 8 of
/// its threads hang. Where it does answer, it was the batch: its items are run again one by one, on
/// any device, and one that hangs alone ends with the Error kHungCode. (Halving the batch would
/// hang a thread, and wait for it, at each step: seven times for one bad item among 64, where this
/// does so twice.)
///
/// Recycling: the lane that finds it due loads a new copy of the stage while the others work on
/// with the old one, which goes with the last batch that it runs. Where that fails, the old copy
/// stays.
///
/// Devices: lane 0 of a device starts it, binds and loads; the other lanes bind after that. The
/// stage's copy is destroyed on a lane's thread, before that lane's binding.
class DeviceExecutor {
 public:
  explicit DeviceExecutor(std::vector<DeviceStagePlan> stages);
  ~DeviceExecutor();
  DeviceExecutor(const DeviceExecutor&) = delete;
  DeviceExecutor& operator=(const DeviceExecutor&) = delete;

  /// Starts runtimes and loads every stage on every device, devices side by side where the runtime
  /// allows it; returns when all lanes are ready. On a failure nothing runs, every job is done with
  /// "cancelled", and of several failures the one that stands first in the plan is returned.
  std::optional<Error> start();

  /// Asks the prototype for the item's length on the calling thread.
  /// \param stage index into the constructor's list.
  void submit(std::size_t stage, DeviceJob job);

  /// Nothing else can come: from now on no item waits for company, later ones neither.
  void flush();

  /// No new records come: the longest items go first, so that the end is short.
  void longest_first();

  /// Jobs that have not begun are done with the Error "cancelled"; those on a lane finish, except
  /// that a batch being run again item by item is cut short. A `start` under way ends early.
  void cancel();

  /// Looks for lanes that hang, and acts. To be called every now and then, by one thread.
  /// \param at ages are taken then, by std::chrono::steady_clock.
  /// \return what was found, each as a text for the user.
  std::vector<std::string> watch(
      std::chrono::steady_clock::time_point at = std::chrono::steady_clock::now());

  /// As `cancel`, and what is on a lane ends as cancelled too; its threads are left behind. What is
  /// to follow is `stop` and the end of the process.
  void abandon();

  /// Cancels what is still queued (nothing, where the caller has waited for its jobs), waits for
  /// the jobs on the lanes and ends all threads but those that were abandoned. Watches while it
  /// waits, as `start` does. Not from `done`.
  void stop();

  /// Threads that were abandoned and have not come back. They keep what they need alive and touch
  /// nothing of the caller's but the stage's copy, in whose call they are. The process should end
  /// without running what libraries do at exit.
  int stuck() const;

  std::size_t queued(std::size_t stage) const;
  /// Age in seconds of the oldest batch on a lane, and its first item; nothing where all are idle.
  struct Running {
    double seconds = 0;
    DeviceId device;
    int lane = 0;
    std::string record_id;
  };
  std::optional<Running> oldest_running(std::size_t stage) const;

  /// How a device stands; asks the device nothing.
  struct DeviceNow {
    DeviceId device;
    int lanes = 0;
    int busy = 0;              ///< Of the lanes.
    std::size_t prepared = 0;  ///< Items that wait for their second half.
    int stuck = 0;             ///< Threads that hang.
    std::string lost;          ///< Why it was given up; empty where it was not.
  };
  std::vector<DeviceNow> now(std::size_t stage) const;

  /// A row for each device of the stage.
  std::vector<DeviceUse> use(std::size_t stage) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  ///< Shared with the lanes' threads.
};

}  // namespace flowtts
