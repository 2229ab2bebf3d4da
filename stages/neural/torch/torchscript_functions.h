#pragma once

#include <ATen/core/Tensor.h>

#include <flowtts/result.h>

#include "stages/neural/torch/model_functions.h"
#include "stages/neural/voice.h"

namespace flowtts {

/// Loads a TorchScript voice's module straight onto a device, in float32, and finds its methods.
/// The Error "voice_not_loaded" says what keeps it from being the voice's model there, "bad_voice"
/// what does not fit in the voice file. Throws what LibTorch throws.
Result<ModelFunctions> load_torchscript(const VoiceConfig& voice, at::Device device);

}  // namespace flowtts
