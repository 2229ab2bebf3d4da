#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

enum class AudioContainer : std::uint8_t { kWav, kFlac };
enum class AudioSubtype : std::uint8_t { kPcm16, kPcm24, kFloat };

/// A form of audio file.
struct AudioFormat {
  AudioContainer container = AudioContainer::kWav;
  AudioSubtype subtype = AudioSubtype::kPcm16;

  /// Of "wav" or "flac" and "pcm_16", "pcm_24" or "float"; nothing for other names, or where FLAC,
  /// which has whole numbers only, is asked for floating point.
  static std::optional<AudioFormat> of(std::string_view container, std::string_view subtype);

  std::string_view extension() const { return container == AudioContainer::kWav ? "wav" : "flac"; }
};

/// A whole audio file in memory.
struct EncodedAudio {
  std::string bytes;
  float peak = 0;             ///< The largest magnitude before clipping; full scale is 1.
  std::uint64_t clipped = 0;  ///< Samples beyond full scale that were set to it; 0 for float.
};

/// Encodes one channel with libsndfile. Samples beyond full scale are set to full scale, never
/// wrapped. The same samples give the same bytes: no dates, no names. Any thread.
/// Errors: "empty_audio"; "not_finite" (a NaN or infinity, with its place); "encode_failed".
Result<EncodedAudio> encode_audio(std::span<const float> samples, std::uint32_t sample_rate,
                                  AudioFormat format);

}  // namespace flowtts
