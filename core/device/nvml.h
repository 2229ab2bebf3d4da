#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/device.h>

namespace flowtts {

/// A card as NVML lists it.
struct NvmlGpu {
  std::string uuid;   ///< "GPU-8f4e..."
  DeviceInfo info;    ///< `info.id` counts all of the machine's cards.
  std::string bus{};  ///< "0000:19:00.0", as the kernel writes it; empty where it is not known.
};

/// All cards of the machine, by PCI bus. Empty where the driver's library is absent or refuses.
std::vector<NvmlGpu> list_nvml_gpus();

/// Those that a program sees (visible_gpus), as it numbers them.
std::vector<NvmlGpu> visible_nvml_gpus();

/// What CUDA makes of CUDA_VISIBLE_DEVICES: the cards that a program sees, numbered from 0 as it
/// numbers them. The variable lists indexes, or UUIDs that may be cut short as long as one card
/// alone begins so; the list ends at the first entry that names no card; one that names a card
/// twice hides all of them.
std::vector<NvmlGpu> select_visible(const std::vector<NvmlGpu>& gpus, std::string_view variable);

/// How busy GPUs are: the share of the time in which a kernel of any program ran. For any thread.
class GpuActivity {
 public:
  /// Of those devices that are GPUs.
  explicit GpuActivity(std::span<const DeviceId> devices);
  ~GpuActivity();
  GpuActivity(const GpuActivity&) = delete;
  GpuActivity& operator=(const GpuActivity&) = delete;

  /// Asks the driver what it has measured of late, a sixth of a second to a second; call it about
  /// twice a second.
  void sample();

  /// Mean of the samples, 0 to 1; negative where there are none.
  double share(DeviceId device) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flowtts
