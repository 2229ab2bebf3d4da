#include "stages/neural/tones/tones_engine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "stages/io/hash.h"

namespace flowtts {
namespace {

constexpr unsigned kTableBits = 12;
constexpr std::size_t kTableSize = std::size_t{1} << kTableBits;
constexpr double kPeak = 0.25;

constexpr std::int64_t kShortestMs = 60;
constexpr std::int64_t kLongestMs = 100;
/// A speaker's lowest tone: a voice from deep to high, an octave and a half of it in use.
constexpr std::array<double, 8> kLowestHertz{98, 196, 131, 220, 110, 247, 147, 175};
constexpr std::size_t kPitches = 19;  ///< Semitones.

/// One period of the tone. The values are multiples of 2^-15: what a library's sine differs by from
/// one machine to another is rounded away.
std::array<float, kTableSize> make_period() {
  std::array<double, kTableSize> exact{};
  double largest = 0;
  for (std::size_t i = 0; i < kTableSize; ++i) {
    const double angle =
        2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(kTableSize);
    exact[i] = std::sin(angle) + 0.5 * std::sin(2 * angle) + 0.25 * std::sin(3 * angle);
    largest = std::max(largest, std::abs(exact[i]));
  }
  std::array<float, kTableSize> period{};
  for (std::size_t i = 0; i < kTableSize; ++i) {
    period[i] = static_cast<float>(std::round(exact[i] / largest * kPeak * 32768) / 32768);
  }
  return period;
}

std::uint64_t mix(std::uint64_t value, std::uint64_t more) {
  const std::array<std::uint64_t, 2> both{value, more};
  return hash64({reinterpret_cast<const char*>(both.data()), sizeof(both)});
}

class TonesEngine final : public VoiceEngine {
 public:
  explicit TonesEngine(std::uint32_t sample_rate) : sample_rate_(sample_rate) {
    for (std::size_t voice = 0; voice < kLowestHertz.size(); ++voice) {
      for (std::size_t pitch = 0; pitch < kPitches; ++pitch) {
        const double hertz = kLowestHertz[voice] * std::exp2(static_cast<double>(pitch) / 12);
        // A turn is 2^32. The lower bits are rounded away for the same reason as above.
        constexpr double kCoarse = 1024;
        steps_[voice][pitch] =
            static_cast<std::int64_t>(std::round(hertz / sample_rate * 0x1p32 / kCoarse) * kCoarse);
      }
    }
  }

  std::vector<Result<VoiceSound>> speak(std::span<const VoiceInput> batch, std::size_t) override {
    std::vector<Result<VoiceSound>> sounds;
    sounds.reserve(batch.size());
    for (const VoiceInput& input : batch) sounds.emplace_back(VoiceSound{samples(input), nullptr});
    return sounds;
  }

  std::size_t max_batch() const override { return 0; }
  std::string numerics() const override { return "tones"; }
  bool draws() const override { return true; }

 private:
  /// Of a token, for one speaker.
  struct Tone {
    std::size_t samples;
    std::int64_t step;  ///< Of the phase, a sample.
  };

  Tone tone(std::int64_t token, const VoiceInput& input) const {
    const auto speaker = static_cast<std::uint64_t>(input.speaker);
    const std::uint64_t chosen = mix(static_cast<std::uint64_t>(token), speaker);
    const std::int64_t ms = kShortestMs + static_cast<std::int64_t>(
                                              chosen % std::uint64_t{kLongestMs - kShortestMs + 1});
    const double samples = static_cast<double>(ms * sample_rate_) / 1000 / input.speed;
    const std::int64_t step = steps_[speaker % kLowestHertz.size()][(chosen >> 32U) % kPitches];
    // Up to 1/128 off: not even two readings of one text by one speaker are the same.
    const auto off = static_cast<std::int64_t>(input.seed & 0x3FU) - 32;
    return {std::max<std::size_t>(1, static_cast<std::size_t>(samples)), step + step / 4096 * off};
  }

  std::vector<float> samples(const VoiceInput& input) const {
    static const std::array<float, kTableSize> kPeriod = make_period();
    std::vector<Tone> tones;
    tones.reserve(input.tokens.size());
    std::size_t length = 0;
    for (const std::int64_t token : input.tokens) {
      tones.push_back(tone(token, input));
      length += tones.back().samples;
    }
    std::vector<float> sound(length);
    auto phase = static_cast<std::uint32_t>(input.seed >> 32U);
    std::size_t at = 0;
    std::int64_t before = tones.empty() ? 0 : tones.front().step;
    for (const Tone& one : tones) {
      const auto samples = static_cast<std::int64_t>(one.samples);
      const std::int64_t glide = (one.step - before) / samples;
      const std::int64_t fade = std::max<std::int64_t>(1, samples / 4);
      std::int64_t step = before;
      for (std::int64_t i = 0; i < samples; ++i) {
        const std::int64_t from_edge = std::min({i + 1, samples - i, fade});
        const float loudness = static_cast<float>(from_edge) / static_cast<float>(fade);
        sound[at++] = kPeriod[phase >> (32U - kTableBits)] * loudness;
        phase += static_cast<std::uint32_t>(step);
        step += glide;
      }
      before = one.step;
    }
    return sound;
  }

  const std::int64_t sample_rate_;
  std::array<std::array<std::int64_t, kPitches>, kLowestHertz.size()> steps_{};
};

struct Registration {
  Registration() { register_voice_format({"tones", "host", open_tones, ModelFile::kNone}); }
};
const Registration kRegistration;

}  // namespace

Result<std::shared_ptr<VoiceEngine>> open_tones(const VoiceConfig& voice, DeviceId,
                                                const VoiceOptions& options) {
  if (options.compiled == "always") {
    return Error{"not_compiled",
                 fmt::format("voice '{}': there is nothing to be compiled in a voice of the format "
                             "'tones': leave 'compiled: always' out",
                             voice.name),
                 false, true};
  }
  if (options.precision != "auto" && options.precision != "float32") {
    return Error{"bad_precision",
                 fmt::format("voice '{}': a voice of the format 'tones' has the precision float32, "
                             "not {}",
                             voice.name, options.precision),
                 false, true};
  }
  return std::shared_ptr<VoiceEngine>(std::make_shared<TonesEngine>(voice.sample_rate));
}

}  // namespace flowtts
