#pragma once

#include <cstddef>
#include <vector>

#include <flowtts/device.h>
#include <flowtts/result.h>

#include "stages/neural/torch/model_functions.h"
#include "stages/neural/voice.h"

namespace flowtts {

/// The tensors that these are: compiled code takes nothing else.
std::vector<at::Tensor> tensors_of(const std::vector<c10::IValue>& values);

/// Loads the models of an AOTInductor voice's package onto a device: "model", or those that `parts`
/// names. Errors as load_torchscript; the package may also be another device's.
/// \param lanes how many calls may be at work at once.
Result<ModelFunctions> load_aoti(const VoiceConfig& voice, DeviceId device, std::size_t lanes);

}  // namespace flowtts
