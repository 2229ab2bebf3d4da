#include <algorithm>
#include <string>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "stages/audio/resampler.h"

namespace flowtts {

/// Gives audio another sample rate.
struct Resample final : Map<Audio, Audio> {
  std::uint32_t rate = 22'050;
  std::string quality = "high";

  static void describe(Spec<Resample>& spec) {
    spec.name("resample")
        .summary("Gives audio another sample rate.")
        .doc(
            "With libsoxr, each piece as a whole: its start does not move, and its length is that "
            "of the original to the nearest sample. Audio that has the rate already passes "
            "untouched.")
        .param("rate", &Resample::rate, "The sample rate that goes out.")
        .unit("hertz")
        .range(4000, 384'000)
        .example("16000")
        .param("quality", &Resample::quality,
               "The recipe of libsoxr: `high` keeps what 16 bits hold, `very_high` what 24 hold.")
        .one_of({kResampleQualities.begin(), kResampleQualities.end()});
  }

  double growth() const { return std::max(1.0, rate / 16'000.0); }

  Result<Audio> process(Audio audio, const Item&) const {
    if (audio.sample_rate == 0) return Error{"no_sample_rate", "the audio has no sample rate"};
    if (audio.sample_rate == rate) return audio;
    const auto recipe = resample_quality(quality).value_or(ResampleQuality::kHigh);
    auto resampled = resample(audio.samples, audio.sample_rate, rate, recipe);
    if (!resampled) return resampled.error();
    audio.samples = std::move(*resampled);
    audio.sample_rate = rate;
    return audio;
  }
};

FLOWTTS_STAGE(Resample)

}  // namespace flowtts
