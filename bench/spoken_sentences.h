#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <flowtts/item.h>

#include "stages/neural/voice.h"

namespace flowtts::bench {

/// A sentence as pipelines/align.yaml hands it to its voice: of the same speaker, with the same
/// seed.
struct SpokenSentence {
  std::vector<std::int64_t> tokens;
  std::int64_t speaker = 0;
  std::uint64_t seed = 0;

  VoiceInput input() const { return {tokens, speaker, 1.0, seed}; }
};

/// Runs the pipeline's stages up to `phonemize` and returns what they made, in the order of the
/// input. What goes wrong ends the program.
std::vector<SpokenSentence> sentences_of(const std::string& pipeline_file, const VoiceConfig& voice,
                                         const std::vector<std::string>& overrides);

}  // namespace flowtts::bench
