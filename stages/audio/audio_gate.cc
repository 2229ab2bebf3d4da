#include "stages/audio/audio_gate.h"

#include <string>
#include <utility>

#include <fmt/format.h>

namespace flowtts {
namespace {

Error rejected(std::string_view measure, std::string message) {
  return Error{fmt::format("rejected_{}", measure), std::move(message)};
}

/// "0.035 to 1.2 s", "at least 0.035 s", "at most 1.2 s".
std::string text_of(const PlausibleRange& range) {
  if (range.high == std::numeric_limits<double>::infinity()) {
    return fmt::format("at least {:.4g} s", range.low);
  }
  if (range.low <= 0) return fmt::format("at most {:.4g} s", range.high);
  return fmt::format("{:.4g} to {:.4g} s", range.low, range.high);
}

std::optional<Error> objection_to_length(std::string_view what, double seconds, double speed,
                                         std::uint64_t count, const PlausibleRange& range) {
  if (count == 0) return std::nullopt;
  const double each = seconds * speed / static_cast<double>(count);
  if (each >= range.low && each <= range.high) return std::nullopt;
  return rejected(fmt::format("seconds_per_{}", what),
                  fmt::format("{:.2f} s of sound are {:.3g} s for each of {} {}s{}; allowed is {}",
                              seconds, each, count, what,
                              speed == 1 ? "" : fmt::format(" at speed 1 (this is {:.4g})", speed),
                              text_of(range)));
}

}  // namespace

TextLength length_of(std::string_view text) {
  TextLength length;
  bool in_word = false;
  for (const char byte : text) {
    const bool space = byte == ' ' || (byte >= '\t' && byte <= '\r');
    const bool begins = (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;  // a code point
    if (!space && !in_word) ++length.words;
    if (!space && begins) ++length.characters;
    in_word = !space;
  }
  if (length.words > 1) length.characters += length.words - 1;
  return length;
}

std::optional<Error> objection_to(const SoundMeasure& sound, std::uint32_t sample_rate,
                                  const Speech* speech, const AudioBounds& bounds) {
  const auto count = static_cast<double>(sound.samples);
  if (sound.not_finite > 0) {
    return rejected("not_finite", fmt::format("{} of {} samples are NaN or infinite; allowed is 0",
                                              sound.not_finite, sound.samples));
  }
  const double seconds = sample_rate == 0 ? 0 : count / sample_rate;
  if (speech != nullptr && speech->cut_short) {
    return rejected("no_end", fmt::format("the model came to its limit after {:.2f} s, before the "
                                          "sentence had an end",
                                          seconds));
  }
  if (sound.samples == 0) return rejected("silence", "there are no samples");
  if (!(sound.level_db() >= bounds.min_level_db)) {
    return rejected("silence",
                    fmt::format("the level is {:.1f} dB of full scale; allowed is {:.4g} "
                                "dB or more",
                                sound.level_db(), bounds.min_level_db));
  }
  const double clipped = static_cast<double>(sound.clipped) / count;
  if (clipped > bounds.max_clipped) {
    return rejected("clipping", fmt::format("{:.2f}% of the samples are beyond full scale; allowed "
                                            "is {:.4g}%",
                                            100 * clipped, 100 * bounds.max_clipped));
  }
  double speed = 1;
  if (speech != nullptr) {
    speed = speech->speed;
    const TextLength text = length_of(speech->sentence.spoken);
    auto wrong = objection_to_length("character", seconds, speed, text.characters,
                                     bounds.seconds_per_character);
    if (!wrong) {
      wrong = objection_to_length("word", seconds, speed, text.words, bounds.seconds_per_word);
    }
    if (wrong) return wrong;
  }
  const double pause =
      sample_rate == 0 ? 0 : static_cast<double>(sound.longest_pause) / sample_rate * speed;
  if (pause > bounds.max_pause_s) {
    return rejected("pause", fmt::format("there is a pause of {:.2f} s inside; allowed is {:.4g} s",
                                         pause, bounds.max_pause_s));
  }
  return std::nullopt;
}

}  // namespace flowtts
