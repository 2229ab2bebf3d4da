#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <flowtts/result.h>

#include "stages/neural/torch/aoti_model.h"
#include "stages/neural/voice.h"

namespace flowtts {

/// The longest that a voice's exporter compiles for, frames.
inline constexpr std::int64_t kMostCompiledFrames = 6000;

/// What takes the place of a voice's `render`, if anything does.
struct CompiledRender {
  std::shared_ptr<AotiModel> model;  ///< Null: the voice's own method renders.
  std::string precision{};           ///< Of the model; empty where there is none.
  std::string numerics;              ///< As VoiceEngine's; empty where there is no model.
  std::string advice;
};

/// Looks for the package that `flowtts voice compile` has made of the voice for this device's card
/// and LibTorch, by the options' precision and wish, and loads it. The voice must have been read
/// with its hash. Errors (fatal): "voice_not_compiled", which says what to do, where one is asked
/// for that is not there; what AotiModel::open says.
Result<CompiledRender> open_compiled_render(const VoiceConfig& voice, DeviceId device,
                                            const VoiceOptions& options);

}  // namespace flowtts
