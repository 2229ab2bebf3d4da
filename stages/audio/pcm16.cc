#include "stages/audio/pcm16.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

namespace flowtts {
namespace {

constexpr std::uint32_t kMagnitude = 0x7FFF'FFFF;  // all of a float but its sign
constexpr std::uint32_t kInfinity = 0x7F80'0000;   // as a float's bits; NaNs lie above
constexpr std::uint32_t kFullScale = 0x3F80'0000;  // 1.0

// For magnitudes up to full scale. Adding 1.5 * 2^52 to a double leaves no bits for a fraction, and
// the whole number, rounded as wanted, in the lower ones: no call, so that the compiler can do
// several at once.
inline std::int16_t pcm16_of(float sample) {
  const double scaled = static_cast<double>(sample) * 0x1p31;
  return static_cast<std::int16_t>(std::bit_cast<std::uint64_t>(scaled + 0x1.8p52) >> 16U);
}

inline float clip(float sample) {
  constexpr float kHighest = 0x0.FFFFFFp0F;  // the largest float below 1
  return std::clamp(sample, -1.0F, kHighest);
}

// Lengths that the compiler knows let it use vector instructions, whatever it is told to optimise
// for; and the second pass finds the block in the cache.
constexpr std::size_t kBlock = 1024;

/// What a block of samples was like. Floats without sign are in the order of their bits.
struct Extent {
  std::uint32_t peak_bits = 0;
  std::uint32_t clipped = 0;
};

inline Extent convert(const float* in, std::int16_t* out, std::size_t count) {
  Extent extent;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(in[i]) & kMagnitude;
    extent.peak_bits = std::max(extent.peak_bits, bits);
    extent.clipped += bits > kFullScale ? 1U : 0U;
  }
  if (extent.peak_bits < kFullScale) {
    for (std::size_t i = 0; i < count; ++i) out[i] = pcm16_of(in[i]);
  } else if (extent.peak_bits < kInfinity) {
    for (std::size_t i = 0; i < count; ++i) out[i] = pcm16_of(clip(in[i]));
  }
  return extent;
}

}  // namespace

std::optional<Error> objection_to(std::span<const float> samples) {
  if (samples.empty()) return Error{"empty_audio", "there are no samples to write"};
  const auto bad = std::ranges::find_if(samples, [](float x) { return !std::isfinite(x); });
  if (bad == samples.end()) return std::nullopt;
  return Error{"not_finite",
               fmt::format("sample {} of {} is {}", bad - samples.begin(), samples.size(), *bad)};
}

Result<Pcm16> quantize(std::span<const float> samples) {
  if (samples.empty()) return objection_to(samples).value();
  Pcm16 pcm;
  std::vector<std::int16_t> quantized(samples.size());
  std::uint32_t peak_bits = 0;
  for (std::size_t done = 0; done < samples.size(); done += kBlock) {
    const std::size_t left = samples.size() - done;
    const float* in = samples.data() + done;
    std::int16_t* out = quantized.data() + done;
    const Extent extent = left >= kBlock ? convert(in, out, kBlock) : convert(in, out, left);
    peak_bits = std::max(peak_bits, extent.peak_bits);
    pcm.clipped += extent.clipped;
  }
  if (peak_bits >= kInfinity) return objection_to(samples).value();
  pcm.samples = std::move(quantized);
  pcm.peak = std::bit_cast<float>(peak_bits);
  return pcm;
}

}  // namespace flowtts
