#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

/// libsoxr's recipes: what each costs and how well it keeps what lies below the lower of the two
/// rates' half ("quick" is cubic interpolation; the others have pass bands of 67 to 95 %).
enum class ResampleQuality : std::uint8_t { kQuick, kLow, kMedium, kHigh, kVeryHigh };

inline constexpr std::array<std::string_view, 5> kResampleQualities{"quick", "low", "medium",
                                                                    "high", "very_high"};

/// The quality of that name in kResampleQualities.
std::optional<ResampleQuality> resample_quality(std::string_view name);

/// How many samples `resample` makes of `count`: count * to / from, rounded to the nearest.
std::uint64_t resampled_length(std::uint64_t count, std::uint32_t from, std::uint32_t to);

/// Gives a channel another sample rate, as a whole: the same bits for the same samples, whoever
/// calls. Equal rates return the samples as they are. The filters' delay is taken out, so that both
/// start at the same moment. Rates are in hertz and not 0. Any thread.
/// Error: "resample_failed", with libsoxr's reason.
Result<std::vector<float>> resample(std::span<const float> samples, std::uint32_t from,
                                    std::uint32_t to, ResampleQuality quality);

}  // namespace flowtts
