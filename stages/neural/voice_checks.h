#pragma once

#include <filesystem>
#include <optional>

#include <flowtts/stage_base.h>

#include "stages/neural/voice.h"

namespace flowtts {

/// Reads a stage's voice for its `check`, without the hash. What is wrong with the voice file is
/// reported at the parameter `voice`, a finding each; nothing is returned then.
std::optional<VoiceConfig> check_voice(const std::filesystem::path& file, Checker& checker);

}  // namespace flowtts
