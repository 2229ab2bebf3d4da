#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/registry.h>

namespace flowtts {

/// When a lane takes a batch. All limits hold at once.
struct BatchPolicy {
  std::size_t max_items = 64;
  double max_wait_ms = 20;       ///< How long the oldest item waits for company.
  std::size_t max_length = 0;    ///< Items × longest length, in the stage's own unit; 0: no limit.
};

/// A device stage as the plan has it.
struct DeviceStagePlan {
  std::string id;
  const AnyStage* prototype = nullptr;  ///< Configured; copied once a device. Outlives the executor.
  std::string runtime = "host";
  std::vector<DeviceId> devices;
  int lanes = 0;  ///< A device; 0 chooses: the cores shared out for CPU devices, 2 for a GPU.
  BatchPolicy batch;
  std::uint64_t memory_limit_bytes = 0;  ///< A device; 0: none.
};

/// An item on its way through a device stage.
struct DeviceJob {
  AnyPayload payload;
  Item item;
  std::shared_ptr<const void> owner;  ///< Keeps alive what `item` refers to.
  /// Called exactly once, on a lane's thread or on the one that cancels. Must not throw or block.
  std::function<void(Result<AnyPayload>)> done;
};

/// What a device did, for the summary and run.json.
struct DeviceUse {
  DeviceInfo device;
  int lanes = 0;
  std::uint64_t batches = 0;
  std::uint64_t items = 0;
  std::uint64_t length = 0;         ///< Sum of the items' lengths, in the stage's own unit.
  std::uint64_t padded_length = 0;  ///< Sum over batches of items × longest length.
  double busy_seconds = 0;          ///< Summed over lanes.
  double load_seconds = 0;
  std::uint64_t peak_bytes = 0;
};

/// The only owner of devices in a run. For each device stage and device there is one loaded copy of
/// the stage and `lanes` threads; all lanes of all devices of a stage pull batches from one queue
/// that is bucketed by length, so that a fast device never waits for a slow one.
///
/// Lifecycle: construct, `start`, `submit` as often as wanted from any thread, `stop`. The
/// destructor stops.
///
/// Bounds: the queue holds what has been submitted and not yet taken. The run's credits bound that;
/// the executor itself never blocks a submitter and never drops a job: after `cancel` every job
/// that has not begun, and every later one, is done with the Error "cancelled".
///
/// Errors: a stage's exception is an Error of its batch, and a batch of several items that fails as
/// a whole is run again item by item, so that one bad item fails alone. A result of the wrong
/// number of items is an Error of each.
class DeviceExecutor {
 public:
  explicit DeviceExecutor(std::vector<DeviceStagePlan> stages);
  ~DeviceExecutor();
  DeviceExecutor(const DeviceExecutor&) = delete;
  DeviceExecutor& operator=(const DeviceExecutor&) = delete;

  /// Starts runtimes and loads every stage on every device, devices side by side, the lanes behind
  /// them. Returns the first failure; nothing runs then.
  std::optional<Error> start();

  /// \param stage index into the constructor's list.
  void submit(std::size_t stage, DeviceJob job);

  /// Ends waiting for company: from now on a lane takes whatever is there. Undone by `submit`s that
  /// follow only in so far as they wait no longer either.
  void flush();

  /// Jobs that have not begun are done with the Error "cancelled"; those on a lane finish.
  void cancel();

  /// Waits for the jobs on the lanes, ends all threads. After `cancel`, or when nothing is queued.
  void stop();

  std::size_t queued(std::size_t stage) const;
  /// Age in seconds of the oldest batch on a lane, and its first item; nothing where all are idle.
  struct Running {
    double seconds = 0;
    DeviceId device;
    std::string record_id;
  };
  std::optional<Running> oldest_running(std::size_t stage) const;

  /// A row for each device of the stage.
  std::vector<DeviceUse> use(std::size_t stage) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flowtts
