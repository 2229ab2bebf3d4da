#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <flowtts/result.h>

#include "stages/neural/voice.h"

namespace flowtts {

/// A sentence as a voice's front end made it, ready for the model.
struct TrialText {
  std::string text;
  std::vector<std::int64_t> tokens;
};

/// The sentences to try a voice with: `wanted`, or where that is empty some of our own, of several
/// lengths, in English, or in Chinese for a voice that has `zh` and no `en`.
///
/// Sentences that the front end has no sounds for, or that are beyond the voice's limits, are left
/// out: a run would do the same. Errors: "unknown_front_end"; "no_text" where none is left, with
/// the reason for each.
Result<std::vector<TrialText>> trial_texts(const VoiceConfig& voice,
                                           std::span<const std::string> wanted);

}  // namespace flowtts
