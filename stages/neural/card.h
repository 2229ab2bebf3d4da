#pragma once

#include <optional>
#include <string>

#include <flowtts/device.h>

namespace flowtts {

/// What a compiled voice is made for: a GPU's model as the driver calls it, or the CPU's model with
/// 8 hex digits that tell its instruction sets, since machines of one name may differ in them.
/// Starts neither CUDA nor LibTorch. Nothing where the machine has no such device.
std::optional<std::string> card_name(DeviceId device);

}  // namespace flowtts
