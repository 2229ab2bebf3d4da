#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "stages/audio/audio_lane.h"
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
            "Each piece as a whole: its start does not move, and its length is that of the "
            "original "
            "to the nearest sample. Audio that has the rate already keeps its samples. Directly "
            "behind a stage on GPUs it works there, before the audio comes to the host, with a "
            "polyphase filter of 110 dB whose results differ from libsoxr's in the last digits; "
            "`devices: cpu` keeps it on the CPU, with libsoxr. Sound with a NaN or an infinity in "
            "it "
            "has no 16 bits: it is the error `not_finite`, after other takes of a voice that draws "
            "random numbers.")
        .param("rate", &Resample::rate, "The sample rate that goes out.")
        .unit("hertz")
        .range(4000, 384'000)
        .example("16000")
        .param("quality", &Resample::quality,
               "The recipe of libsoxr: `high` keeps what 16 bits hold, `very_high` what 24 hold. "
               "On GPUs it is `high` in any case.")
        .one_of({kResampleQualities.begin(), kResampleQualities.end()})
        .param("encoding", &Resample::encoding,
               "The form of the samples that go out: `pcm_16` has half the bytes of `float` and is "
               "what a 16-bit file holds. Samples beyond full scale are then set to full scale and "
               "counted.")
        .one_of({"float", "pcm_16"})
        .may_retake(/*seldom=*/true);
  }

  /// From floats at the usual rate of voices.
  double growth() const { return rate / 16'000.0 * (encoding == "pcm_16" ? 0.5 : 1.0); }

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
    if (!pcm) return or_retake(pcm.error(), out);
    out.pcm = std::make_shared<const Pcm16>(std::move(*pcm));
    return out;
  }

  bool runs_in_lane(DeviceId device) const { return device.kind == DeviceKind::kCuda; }

  std::vector<Result<Audio>> process_batch(std::span<const BatchItem<Audio>> items,
                                           DeviceContext& device) const {
    std::vector<const Audio*> sounds;
    sounds.reserve(items.size());
    for (const auto& item : items) sounds.push_back(&item.payload);
    if (auto* lane = dynamic_cast<AudioLane*>(device.binding())) {
      return lane->convert(sounds, rate, encoding == "pcm_16");
    }
    std::vector<Result<Audio>> results;
    for (const auto& item : items) results.push_back(process(item.payload, item.item));
    return results;
  }

 private:
  /// What is no sound may be one at the next take, where the voice draws random numbers.
  static Error or_retake(Error error, const Audio& audio) {
    error.retake = audio.speech != nullptr && audio.speech->seeded;
    return error;
  }

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
