#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <flowtts/device.h>

namespace flowtts {

/// A card as NVML lists it.
struct NvmlGpu {
  std::string uuid;  ///< "GPU-8f4e..."
  DeviceInfo info;   ///< `info.id` counts all of the machine's cards.
};

/// All cards of the machine, by PCI bus. Empty where the driver's library is absent or refuses.
std::vector<NvmlGpu> list_nvml_gpus();

/// What CUDA makes of CUDA_VISIBLE_DEVICES: the cards that a program sees, numbered from 0 as it
/// numbers them. The variable lists indexes, or UUIDs that may be cut short as long as one card
/// alone begins so; the list ends at the first entry that names no card; one that names a card
/// twice hides all of them.
std::vector<DeviceInfo> select_visible(const std::vector<NvmlGpu>& gpus, std::string_view variable);

}  // namespace flowtts
