#include "stages/audio/resampler.h"

#include <algorithm>
#include <mutex>
#include <string>

#include <soxr.h>

namespace flowtts {
namespace {

constexpr std::array<unsigned long, 5> kRecipes{SOXR_QQ, SOXR_LQ, SOXR_MQ, SOXR_HQ, SOXR_VHQ};

struct Outcome {
  std::size_t made = 0;
  const char* error = nullptr;
};

Outcome run_soxr(std::span<const float> in, double from, double to, ResampleQuality quality,
                 std::span<float> out) {
  const soxr_io_spec_t floats = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t recipe =
      soxr_quality_spec(kRecipes[static_cast<std::size_t>(quality)], 0);
  const soxr_runtime_spec_t one_thread = soxr_runtime_spec(1);
  Outcome outcome;
  outcome.error = soxr_oneshot(from, to, 1, in.data(), in.size(), nullptr, out.data(), out.size(),
                               &outcome.made, &floats, &recipe, &one_thread);
  return outcome;
}

// libsoxr fills tables that all resamplers share when they are first used, without a lock.
void warm_up() {
  static std::once_flag done;
  std::call_once(done, [] {
    const std::array<float, 64> silence{};
    std::array<float, 128> out{};
    for (const ResampleQuality quality :
         {ResampleQuality::kQuick, ResampleQuality::kHigh, ResampleQuality::kVeryHigh}) {
      run_soxr(silence, 16'000, 22'050, quality, out);
      run_soxr(silence, 22'050, 16'000, quality, out);
    }
  });
}

}  // namespace

std::optional<ResampleQuality> resample_quality(std::string_view name) {
  const auto found = std::ranges::find(kResampleQualities, name);
  if (found == kResampleQualities.end()) return std::nullopt;
  return static_cast<ResampleQuality>(found - kResampleQualities.begin());
}

std::uint64_t resampled_length(std::uint64_t count, std::uint32_t from, std::uint32_t to) {
  return (count * to + from / 2) / from;
}

Result<std::vector<float>> resample(std::span<const float> samples, std::uint32_t from,
                                    std::uint32_t to, ResampleQuality quality) {
  if (from == to) return std::vector<float>(samples.begin(), samples.end());
  std::vector<float> out(resampled_length(samples.size(), from, to));
  if (out.empty()) return out;
  warm_up();
  const Outcome outcome = run_soxr(samples, from, to, quality, out);
  if (outcome.error != nullptr) {
    return Error{"resample_failed", "from " + std::to_string(from) + " to " + std::to_string(to) +
                                        " Hz: " + outcome.error};
  }
  // libsoxr rounds the length in floating point and may stop one short, which stays silence.
  return out;
}

}  // namespace flowtts
