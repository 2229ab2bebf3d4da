#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <flowtts/payloads.h>
#include <flowtts/result.h>

#include "stages/audio/sound_measure.h"

namespace flowtts {

/// From what to what a measure is plausible; both ends are.
struct PlausibleRange {
  double low = 0;
  double high = std::numeric_limits<double>::infinity();
};

/// What a take must keep to.
struct AudioBounds {
  double min_level_db = -50;  ///< Of full scale, over the whole take.
  double max_clipped = 0.01;  ///< Share of the samples.
  double max_pause_s = 2;     ///< At speed 1, as the ranges.
  PlausibleRange seconds_per_character;
  PlausibleRange seconds_per_word;
};

/// Characters and words of a text in UTF-8: code points that are no white space, with the spaces
/// between words (one each); and runs of what is no white space.
struct TextLength {
  std::uint64_t characters = 0;
  std::uint64_t words = 0;
};
TextLength length_of(std::string_view text);

/// Why a take is no good, as the Error of its item; nothing where it is. The first of, in this
/// order: "rejected_not_finite", "rejected_no_end", "rejected_silence", "rejected_clipping",
/// "rejected_seconds_per_character", "rejected_seconds_per_word", "rejected_pause". The message has
/// the measure and the bounds. A pure function: the same for the same take, whatever else there is.
///
/// \param speech of what was spoken; null for other audio, of which only the sound is looked at.
std::optional<Error> objection_to(const SoundMeasure& sound, std::uint32_t sample_rate,
                                  const Speech* speech, const AudioBounds& bounds);

}  // namespace flowtts
