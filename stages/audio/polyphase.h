#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

/// A low-pass filter that takes a channel from one sample rate to another, `up`/`down` in lowest
/// terms. Linear phase, its delay taken out: output n is the sound at the time n / to. Flat up to
/// 0.913 of the lower rate's half (libsoxr's "high" as well), and at least 110 dB down from that
/// half on, for images as for aliases. Beyond both ends of the channel is silence.
///
/// Output n is the sum over tap t, in this order, of
///
///     coefficients[t * up + n % up] * in[n * down / up - lead + t]
///
/// so that neighbouring outputs, which neighbouring threads of a GPU make, read neighbouring
/// coefficients, and outputs that are `up` apart read the same. Immutable once made; any thread.
struct PolyphaseFilter {
  std::uint32_t from = 0;  ///< Hertz.
  std::uint32_t to = 0;    ///< Hertz.
  std::uint32_t up = 1;    ///< to / from = up / down.
  std::uint32_t down = 1;
  std::uint32_t taps = 1;  ///< Inputs that an output is made of.
  std::uint32_t lead = 0;  ///< How many of them lie before the input at or before its time.
  std::vector<float> coefficients = {};
};

/// The most coefficients that a filter may have: 4 MiB.
inline constexpr std::uint64_t kMostCoefficients = std::uint64_t{1} << 20U;

/// A windowed sinc, by Kaiser's window and his formulas for its shape and length from the
/// attenuation and the width of the transition (Oppenheim, Schafer: Discrete-Time Signal
/// Processing, "Design of FIR filters by windowing"). Equal rates have the one coefficient 1.
/// Errors: "no_sample_rate"; "ratio_too_fine", where the rates have so little in common that there
/// would be more than kMostCoefficients: libsoxr's `resample` takes these as well.
Result<PolyphaseFilter> design_polyphase(std::uint32_t from, std::uint32_t to);

/// Filters a channel; as many samples go out as `resampled_length` says. The reference for the
/// same on a GPU (stages/neural/cuda/): single precision, each product and sum rounded once, in the
/// order of the taps, so that both agree to the bit. Not made for speed. Any thread.
std::vector<float> resample(const PolyphaseFilter& filter, std::span<const float> samples);

}  // namespace flowtts
