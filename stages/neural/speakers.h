#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <flowtts/item.h>

#include "stages/neural/voice.h"

namespace flowtts {

/// The speakers to draw from, as ids of the voice: all of them for `random`, otherwise the named
/// ones; one that is named twice is drawn twice as often. The Error "unknown_speaker" says which
/// there are and the nearest name.
Result<std::vector<std::int64_t>> choose_speakers(const VoiceConfig& voice,
                                                  std::span<const std::string> names);

/// The speaker of a turn: the same for all of its sentences, a function of the run's seed, the
/// record and the turn alone.
/// \param speakers not empty.
std::int64_t draw_speaker(std::span<const std::int64_t> speakers, const Item& item,
                          std::uint32_t turn);

}  // namespace flowtts
