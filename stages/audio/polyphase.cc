#include "stages/audio/polyphase.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>

#include <fmt/format.h>

#include "stages/audio/resampler.h"

namespace flowtts {
namespace {

// In shares of half the lower rate: where the pass band ends and the stop band begins.
constexpr double kPass = 0.913;
constexpr double kStop = 1.0;
// Decibels. Above the 110 that are promised, for what rounding the coefficients costs.
constexpr double kAttenuation = 116;
constexpr double kBeta = 0.1102 * (kAttenuation - 8.7);

// I0, the modified Bessel function, by its power series; all terms are positive.
double bessel_i0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > sum * 1e-17; ++k) {
    const double factor = x / (2 * k);
    term *= factor * factor;
    sum += term;
  }
  return sum;
}

/// The filter over continuous time, in input samples.
class Kernel {
 public:
  /// \param band the lower rate as a share of the input's, at most 1.
  explicit Kernel(double band) : cutoff_(band * (kPass + kStop) / 2) {
    const double transition = std::numbers::pi * band * (kStop - kPass);  // radians a sample
    const double length = (kAttenuation - 7.95) / (2.285 * transition);
    // Four times a whole number of taps on either side, which suits loops that are unrolled.
    half_ = static_cast<std::uint64_t>(std::ceil(length / 8)) * 4;
  }

  /// Inputs on either side that count.
  std::uint64_t half() const { return half_; }

  double at(double distance) const {
    const double place = distance / static_cast<double>(half_);
    if (std::abs(place) >= 1) return 0;
    const double window = bessel_i0(kBeta * std::sqrt(1 - place * place)) / kCentre;
    const double angle = std::numbers::pi * cutoff_ * distance;
    return window * cutoff_ * (angle == 0 ? 1 : std::sin(angle) / angle);
  }

 private:
  static inline const double kCentre = bessel_i0(kBeta);

  double cutoff_;
  std::uint64_t half_ = 0;
};

Error too_fine(const PolyphaseFilter& filter, std::uint64_t taps) {
  return {"ratio_too_fine",
          fmt::format("from {} to {} Hz is {}/{} in lowest terms, which is a filter of {} x {} "
                      "coefficients; at most {} are allowed",
                      filter.from, filter.to, filter.up, filter.down, filter.up, taps,
                      kMostCoefficients)};
}

}  // namespace

Result<PolyphaseFilter> design_polyphase(std::uint32_t from, std::uint32_t to) {
  if (from == 0 || to == 0) return Error{"no_sample_rate", "a sample rate of 0 Hz"};
  PolyphaseFilter filter{from, to};
  if (from == to) {
    filter.coefficients = {1.0F};
    return filter;
  }
  const std::uint32_t common = std::gcd(from, to);
  filter.up = to / common;
  filter.down = from / common;
  const Kernel kernel(std::min(1.0, static_cast<double>(to) / from));
  const std::uint64_t taps = 2 * kernel.half();
  if (taps > kMostCoefficients / filter.up) return too_fine(filter, taps);
  filter.taps = static_cast<std::uint32_t>(taps);
  filter.lead = filter.taps / 2 - 1;

  filter.coefficients.reserve(std::size_t{filter.up} * filter.taps);
  for (std::uint32_t tap = 0; tap < filter.taps; ++tap) {
    for (std::uint32_t output = 0; output < filter.up; ++output) {
      // Between two inputs, in shares of 1 / up.
      const std::uint64_t part = std::uint64_t{output} * filter.down % filter.up;
      const double distance = static_cast<double>(tap) - filter.lead -
                              static_cast<double>(part) / static_cast<double>(filter.up);
      filter.coefficients.push_back(static_cast<float>(kernel.at(distance)));
    }
  }
  return filter;
}

std::vector<float> resample(const PolyphaseFilter& filter, std::span<const float> samples) {
  if (filter.taps == 1) return {samples.begin(), samples.end()};
  std::vector<float> out(resampled_length(samples.size(), filter.from, filter.to));
  const auto count = static_cast<std::int64_t>(samples.size());
  for (std::size_t n = 0; n < out.size(); ++n) {
    const std::int64_t first = static_cast<std::int64_t>(n * filter.down / filter.up) - filter.lead;
    const std::int64_t begin = std::max<std::int64_t>(0, -first);
    const std::int64_t end = std::min<std::int64_t>(filter.taps, count - first);
    const float* coefficient = filter.coefficients.data() + n % filter.up;
    float sum = 0;
    for (std::int64_t tap = begin; tap < end; ++tap) {
      sum = std::fma(samples[static_cast<std::size_t>(first + tap)],
                     coefficient[static_cast<std::size_t>(tap) * filter.up], sum);
    }
    out[n] = sum;
  }
  return out;
}

}  // namespace flowtts
