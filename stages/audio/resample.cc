#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "stages/audio/pcm16.h"
#include "stages/audio/resampler.h"

namespace flowtts {

/// Gives audio another sample rate.
struct Resample final : Map<Audio, Audio> {
  std::uint32_t rate = 22'050;
  std::string quality = "high";
  std::string encoding = "float";

  static void describe(Spec<Resample>& spec) {
    spec.name("resample")
        .summary("Gives audio another sample rate.")
        .doc(
            "With libsoxr, each piece as a whole: its start does not move, and its length is that "
            "of the original to the nearest sample. Audio that has the rate already keeps its "
            "samples.")
        .param("rate", &Resample::rate, "The sample rate that goes out.")
        .unit("hertz")
        .range(4000, 384'000)
        .example("16000")
        .param("quality", &Resample::quality,
               "The recipe of libsoxr: `high` keeps what 16 bits hold, `very_high` what 24 hold.")
        .one_of({kResampleQualities.begin(), kResampleQualities.end()})
        .param("encoding", &Resample::encoding,
               "The form of the samples that go out: `pcm_16` has half the bytes of `float` and is "
               "what a 16-bit file holds. Samples beyond full scale are then set to full scale and "
               "counted.")
        .one_of({"float", "pcm_16"});
  }

  double growth() const { return std::max(1.0, rate / 16'000.0); }

  Result<Audio> process(Audio audio, const Item&) const {
    if (audio.sample_rate == 0) return Error{"no_sample_rate", "the audio has no sample rate"};
    const bool wants_pcm = encoding == "pcm_16";
    if (audio.sample_rate == rate && wants_pcm == (audio.pcm != nullptr)) return audio;
    Result<std::vector<float>> samples = resampled(audio);
    if (!samples) return samples.error();
    Audio out{{}, rate, std::move(audio.speech), nullptr};
    if (!wants_pcm) {
      out.samples = std::move(*samples);
      return out;
    }
    Result<Pcm16> pcm = quantize(*samples);
    if (!pcm) return pcm.error();
    out.pcm = std::make_shared<const Pcm16>(std::move(*pcm));
    return out;
  }

 private:
  Result<std::vector<float>> resampled(Audio& audio) const {
    const std::uint32_t from = audio.sample_rate;
    std::vector<float> samples = std::move(audio).floats();
    if (from == rate) return samples;
    return resample(samples, from, rate,
                    resample_quality(quality).value_or(ResampleQuality::kHigh));
  }
};

FLOWTTS_STAGE(Resample)

}  // namespace flowtts
