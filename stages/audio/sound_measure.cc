#include "stages/audio/sound_measure.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "stages/io/hash.h"

namespace flowtts {
namespace {

constexpr float kPauseLevel = 0.01F;               // 40 dB down
constexpr std::size_t kHashed = 4096;              // samples; a multiple of the block
constexpr std::uint32_t kMagnitude = 0x7FFF'FFFF;  // all of a float but its sign
constexpr std::uint32_t kInfinity = 0x7F80'0000;   // as a float's bits; NaNs lie above
constexpr std::uint32_t kFullScale = 0x3F80'0000;  // 1.0
constexpr std::size_t kSums = 8;  // kept apart, so that the compiler may add several at once

static_assert(kHashed % kPauseBlock == 0);

/// What a block of samples is like, full scale being 1.
struct Block {
  float peak = 0;
  double energy = 0;  ///< Sum of the squares.
  std::uint32_t clipped = 0;
  std::uint32_t not_finite = 0;
};

inline Block look_at(const std::int16_t* in, std::size_t count) {
  std::int16_t low = 0;
  std::int16_t high = 0;
  std::int64_t energy = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t sample = in[i];
    low = std::min(low, in[i]);
    high = std::max(high, in[i]);
    energy += sample * sample;  // at most 2^30
  }
  const int peak = std::max(-static_cast<int>(low), static_cast<int>(high));
  return {static_cast<float>(peak) * 0x1p-15F, static_cast<double>(energy) * 0x1p-30, 0, 0};
}

inline Block look_at(const float* in, std::size_t count) {
  Block block;
  std::uint32_t peak_bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(in[i]) & kMagnitude;
    peak_bits = std::max(peak_bits, bits);  // floats without sign are in the order of their bits
    block.clipped += bits > kFullScale ? 1U : 0U;
    block.not_finite += bits >= kInfinity ? 1U : 0U;
  }
  if (block.not_finite > 0) return block;
  std::array<float, kSums> sums{};
  const std::size_t whole = count / kSums * kSums;
  for (std::size_t i = 0; i < whole; i += kSums) {
    for (std::size_t k = 0; k < kSums; ++k) sums[k] += in[i + k] * in[i + k];
  }
  for (const float sum : sums) block.energy += static_cast<double>(sum);
  for (std::size_t i = whole; i < count; ++i) block.energy += static_cast<double>(in[i] * in[i]);
  block.peak = std::bit_cast<float>(peak_bits);
  return block;
}

/// The longest run of quiet blocks between two loud ones.
std::uint64_t longest_pause(std::span<const float> peaks, float loudest) {
  const float loud = loudest * kPauseLevel;
  std::uint64_t longest = 0;
  std::uint64_t quiet = 0;
  bool begun = false;
  for (const float peak : peaks) {
    if (peak < loud) {
      ++quiet;
      continue;
    }
    if (begun) longest = std::max(longest, quiet);
    begun = true;
    quiet = 0;
  }
  return longest * kPauseBlock;
}

template <class Sample>
SoundMeasure measure_samples(std::span<const Sample> samples) {
  SoundMeasure all;
  all.samples = samples.size();
  std::vector<float> peaks;
  peaks.reserve(samples.size() / kPauseBlock + 1);
  double energy = 0;
  for (std::size_t begin = 0; begin < samples.size(); begin += kHashed) {
    const auto chunk = samples.subspan(begin, std::min(kHashed, samples.size() - begin));
    for (std::size_t done = 0; done < chunk.size(); done += kPauseBlock) {
      const Sample* in = chunk.data() + done;
      const std::size_t left = chunk.size() - done;
      // A length that the compiler knows lets it use vector instructions.
      const Block block = left >= kPauseBlock ? look_at(in, kPauseBlock) : look_at(in, left);
      peaks.push_back(block.peak);
      all.peak = std::max(all.peak, block.peak);
      energy += block.energy;
      all.clipped += block.clipped;
      all.not_finite += block.not_finite;
    }
    all.hash = hash64({reinterpret_cast<const char*>(chunk.data()), chunk.size_bytes()}, all.hash);
  }
  if (!samples.empty()) all.rms = std::sqrt(energy / static_cast<double>(samples.size()));
  all.longest_pause = longest_pause(peaks, all.peak);
  return all;
}

}  // namespace

double SoundMeasure::level_db() const {
  return rms > 0 ? 20 * std::log10(rms) : -std::numeric_limits<double>::infinity();
}

SoundMeasure measure(const Audio& audio) {
  if (!audio.pcm) return measure_samples(std::span<const float>(audio.samples));
  SoundMeasure all = measure_samples(std::span<const std::int16_t>(audio.pcm->samples));
  all.clipped = audio.pcm->clipped;  // what went beyond full scale cannot be seen in 16 bits
  all.peak = std::max(all.peak, audio.pcm->peak);
  return all;
}

}  // namespace flowtts
