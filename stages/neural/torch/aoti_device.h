#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include <flowtts/device.h>

namespace flowtts {

/// Why code with this metadata of AOTInductor's cannot run on a device, and the ways out: "it is
/// compiled for cuda (sm90), and this is cpu: ...". Nothing where it can, as far as is known.
/// \param capability of a GPU: 90; 0 where it is not known.
std::optional<std::string> wrong_device(
    const std::unordered_map<std::string, std::string>& metadata, DeviceId device, int capability);

/// The compute capability of a GPU, 90 for 9.0; 0 of a CPU, and where the driver does not tell.
int compute_capability(DeviceId device);

}  // namespace flowtts
