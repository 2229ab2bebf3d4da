#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

enum class DeviceKind { kCpu, kCuda };

/// Names a device: "cuda:0". Several CPU devices can be declared ("cpu:0", "cpu:1"); they are the
/// same cores, which is how everything about many devices is tested where there is no GPU.
struct DeviceId {
  DeviceKind kind = DeviceKind::kCpu;
  int index = 0;

  auto operator<=>(const DeviceId&) const = default;
  std::string text() const;
};

/// What a device stage may know of where it runs. One object a lane; valid as long as the lane.
/// `load` is called on lane 0.
class DeviceContext {
 public:
  DeviceContext(DeviceId device, int lane) : device_(device), lane_(lane) {}

  DeviceId device() const { return device_; }
  int lane() const { return lane_; }

 private:
  DeviceId device_;
  int lane_;
};

/// A device as the machine has it.
struct DeviceInfo {
  DeviceId id;
  std::string name;
  std::uint64_t total_bytes = 0;  ///< Of device memory; the host's for a CPU.
  std::uint64_t free_bytes = 0;   ///< At the time of the call.
};

/// Whatever must be in force on a lane's thread while it works: current device, stream, inference
/// mode, thread counts. Made and destroyed on that thread.
class LaneBinding {
 public:
  virtual ~LaneBinding() = default;
};

/// How the device executor reaches devices. Core has only the plain one ("host"); a library such as
/// LibTorch brings its own. Calls may come from any thread.
class DeviceRuntime {
 public:
  virtual ~DeviceRuntime() = default;

  /// Prepares the process for a device; called once a device before anything else touches it.
  /// \param memory_limit_bytes the most device memory that the run may take; 0 means no limit.
  virtual Result<DeviceInfo> start(DeviceId device, std::uint64_t memory_limit_bytes) = 0;

  /// Called first on every lane's thread, and before `load` on the thread that loads.
  virtual std::unique_ptr<LaneBinding> bind(DeviceId device) = 0;

  /// The most device memory held so far, bytes; 0 where it is not known.
  virtual std::uint64_t peak_bytes(DeviceId device) const = 0;

  /// Whether stages may be loaded on several devices at the same time. Without it they are loaded one
  /// after another.
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
/// Empty where there is no NVIDIA driver. Honours CUDA_VISIBLE_DEVICES. The cards are numbered by PCI
/// bus; where they differ in speed, CUDA numbers them so only with CUDA_DEVICE_ORDER=PCI_BUS_ID.
std::vector<DeviceInfo> visible_gpus();

}  // namespace flowtts
