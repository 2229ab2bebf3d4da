#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/payload.h>
#include <flowtts/result.h>

namespace flowtts {

/// The code of the Error by which a device stage says that a batch needs more memory than the
/// device has left: the executor gives it room, then less at a time, and at last fails the one
/// item.
inline constexpr std::string_view kOutOfMemoryCode = "out_of_memory";

/// The code of the Error by which a device stage says that its device answers nothing any more in
/// this process: the executor gives the device up and its work to the others.
inline constexpr std::string_view kDeviceLostCode = "device_lost";

/// The code of the Error with which an item ends whose stage does not come back from working on it.
inline constexpr std::string_view kHungCode = "hung";

enum class DeviceKind { kCpu, kCuda };

/// Names a device: "cuda:0". Several CPU devices can be declared ("cpu:0", "cpu:1"); they are the
/// same cores, which is how everything about many devices is tested where there is no GPU.
struct DeviceId {
  DeviceKind kind = DeviceKind::kCpu;
  int index = 0;

  auto operator<=>(const DeviceId&) const = default;
  std::string text() const;
};

/// The fixed shapes that a stage's batches have, for stages whose results could depend on the
/// shape. An item runs in the class of its length, and shares a batch only with items of that
/// class.
struct BatchShapes {
  struct Class {
    std::size_t up_to = 0;  ///< Length; the last class also holds what is longer.
    std::size_t rows = 1;   ///< Of every batch of this class.
  };
  std::size_t step = 1;  ///< Lengths are padded to a multiple.
  std::vector<Class>
      classes;  ///< Growing lengths, falling rows. Empty: batches have no fixed rows.

  std::size_t padded(std::size_t length) const { return (length + step - 1) / step * step; }
  /// 0 where there are no fixed rows.
  std::size_t rows(std::size_t length) const {
    for (const Class& one : classes) {
      if (length <= one.up_to) return one.rows;
    }
    return classes.empty() ? 0 : classes.back().rows;
  }
};

/// What a device stage may take of its device, all its lanes together.
struct DeviceShare {
  std::size_t max_items = 64;      ///< The most items of a batch that the pipeline wants.
  std::size_t look_ahead = 4096;   ///< Items that wait between `prepare_batch` and `finish_batch`.
  std::uint64_t memory_bytes = 0;  ///< Of the device's memory; 0: what it has.
  int lanes = 1;
};

class LaneBinding;

/// What a device stage may know of where it runs. One object a lane; valid as long as the lane.
class DeviceContext {
 public:
  DeviceContext(DeviceId device, int lane, DeviceShare share = {})
      : device_(device), lane_(lane), share_(share) {}

  DeviceId device() const { return device_; }
  int lane() const { return lane_; }
  const DeviceShare& share() const { return share_; }

  /// During a batch: how many rows its shape has, at least as many as there are items. A stage
  /// whose results could depend on the shape of a batch fills up to it.
  std::size_t rows() const { return rows_; }

  /// What the runtime has bound on this thread; null where nothing is.
  LaneBinding* binding() const { return binding_; }

  /// For the executor, and for who runs a stage without one.
  void set_rows(std::size_t rows) { rows_ = rows; }
  void set_memory_bytes(std::uint64_t bytes) { share_.memory_bytes = bytes; }
  void set_binding(LaneBinding* binding) { binding_ = binding; }

 private:
  DeviceId device_;
  int lane_;
  DeviceShare share_;
  std::size_t rows_ = 1;
  LaneBinding* binding_ = nullptr;
};

/// A device as the machine has it.
struct DeviceInfo {
  DeviceId id;
  std::string name;
  std::uint64_t total_bytes = 0;  ///< Of device memory; the host's for a CPU.
  std::uint64_t free_bytes = 0;   ///< At the time of the call.
};

/// What a run holds of a device's memory, bytes; 0 where it is not known.
struct DeviceMemory {
  std::uint64_t reserved = 0;   ///< Taken from the device, in use or kept for later.
  std::uint64_t allocated = 0;  ///< In use.
  std::uint64_t peak = 0;       ///< The most that was reserved.
};

/// How batches that did not fit into a device's memory were got through.
struct MemoryRecoveries {
  std::uint64_t out_of_memory = 0;  ///< Batches that ran out.
  std::uint64_t retried = 0;        ///< Of them, run once more as they were.
  std::uint64_t halved = 0;         ///< Times that a batch was cut in halves.
  std::uint64_t failed = 0;         ///< Items that did not fit alone.
};

/// Whatever must be in force on a lane's thread while it works: current device, stream, inference
/// mode, thread counts. Made, used and destroyed on that thread.
class LaneBinding {
 public:
  virtual ~LaneBinding() = default;

  /// Brings what the payloads of a batch hold on the device to the host, all together: called when
  /// the last stage of the lane has made them, before they leave it. May replace a payload, or put
  /// an Error in its place; an exception fails the batch as one of the stage's would.
  virtual void bring_home(std::span<Result<AnyPayload>> payloads) { static_cast<void>(payloads); }
};

/// The most of a device's memory that a run may take: bytes, or a share of what the device has.
struct MemoryLimit {
  std::uint64_t bytes = 0;
  double share = 0;  ///< 0 to 1; where it is 0, `bytes` holds.

  bool limits() const { return bytes > 0 || share > 0; }
  /// In bytes, of a device that has `total`; 0: no limit.
  std::uint64_t of(std::uint64_t total) const {
    return share > 0 ? static_cast<std::uint64_t>(share * static_cast<double>(total)) : bytes;
  }
};

/// How the device executor reaches devices. Core has only the plain one ("host"); a library such as
/// LibTorch brings its own. Calls may come from any thread.
class DeviceRuntime {
 public:
  virtual ~DeviceRuntime() = default;

  /// Prepares the process for a device, and sees to it that no more than the limit is taken of its
  /// memory; called once a device before anything else touches it.
  virtual Result<DeviceInfo> start(DeviceId device, MemoryLimit limit) = 0;

  /// Called first on every lane's thread, and before `load` on the thread that loads.
  virtual std::unique_ptr<LaneBinding> bind(DeviceId device) = 0;

  virtual DeviceMemory memory(DeviceId device) const = 0;

  /// Waits until the device has done all that it was given. Never throws.
  virtual void synchronize(DeviceId device) { static_cast<void>(device); }

  /// Gives memory that is kept for later back to the device. Never throws.
  virtual void release_cached(DeviceId device) { static_cast<void>(device); }

  /// Whether stages may be loaded on several devices at the same time. Without it they are loaded
  /// one after another.
  virtual bool loads_side_by_side() const { return false; }
};

/// Makes the runtime, or says why it cannot be had (a library is missing).
using DeviceRuntimeFactory = std::function<Result<std::shared_ptr<DeviceRuntime>>()>;

/// Registers a runtime under a name that stages give in `Spec::runtime`. Call before a run starts.
/// Throws std::logic_error where the name is taken.
void register_device_runtime(std::string name, DeviceRuntimeFactory factory);

/// The Error for an unknown name lists the known ones.
Result<std::shared_ptr<DeviceRuntime>> make_device_runtime(std::string_view name);

/// The GPUs that this machine has, without initialising CUDA: fast enough for `flowtts check`.
/// Empty where there is no NVIDIA driver. Honours CUDA_VISIBLE_DEVICES. The cards are numbered by
/// PCI bus; where they differ in speed, CUDA numbers them so only with
/// CUDA_DEVICE_ORDER=PCI_BUS_ID.
std::vector<DeviceInfo> visible_gpus();

}  // namespace flowtts
