#pragma once

#include <span>
#include <string>
#include <vector>

#include <flowtts/device.h>

namespace flowtts {

/// Turns what a pipeline says under `devices:` into devices, in the order given:
///   "auto"    every GPU, or where there is none the CPU; stands alone;
///   "cpu"     the CPU ("cpu:0"); "cpu:2" a further logical device on the same cores;
///   "cuda"    every GPU; "cuda:1" the second one.
/// The Error says which entry is wrong and what is allowed. A device that is named twice is an
/// Error, since it would be counted and loaded twice.
/// \param gpus what `visible_gpus` found.
Result<std::vector<DeviceId>> parse_devices(std::span<const std::string> names,
                                            std::span<const DeviceInfo> gpus);

/// Lanes of a device for a stage that leaves them open: three for a GPU, so that it always has work
/// while the others prepare a batch or bring one home; for a CPU device its share of the cores.
/// \param devices all devices in use; one that is there twice counts once.
int automatic_lanes(DeviceId device, std::span<const DeviceId> devices);

}  // namespace flowtts
