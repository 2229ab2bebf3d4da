#pragma once

#include <optional>
#include <string>

#include <torch/script.h>

#include "stages/neural/voice.h"

namespace flowtts {

/// Turns every parameter and buffer of a floating type into float32; integers stay what they are.
void make_float32(torch::jit::Module& module);

/// What keeps a loaded module from being the voice's model on the device: a method that is missing
/// or takes other arguments, a tensor that lies elsewhere, or code with a GPU's number written into
/// it, as tracing leaves it. Nothing where all is well.
std::optional<std::string> check_module(const torch::jit::Module& module, const VoiceConfig& voice,
                                        at::Device device);

}  // namespace flowtts
