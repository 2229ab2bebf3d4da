#pragma once

#include <flowtts/stage_base.h>

#include "stages/neural/voice.h"

namespace flowtts {

/// Says for a stage's `check` what is known of a voice on this machine's first GPU, from what is
/// kept between runs: whether it has been compiled for that card, and the memory that was measured.
/// Nothing on a machine without a GPU. Starts neither CUDA nor LibTorch.
/// \param voice read with its hash.
/// \param precision, compiled  the stage's parameters.
void note_voice_on_card(const VoiceConfig& voice, const std::string& precision,
                        const std::string& compiled, Checker& checker);

}  // namespace flowtts
