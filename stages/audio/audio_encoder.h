#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <flowtts/payloads.h>
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

/// A whole audio file in memory, in two pieces, so that samples which are in the file as they are
/// in memory need not be copied.
struct EncodedAudio {
  std::string head;                   ///< The file, or what stands in it before `body`.
  std::shared_ptr<const Pcm16> body;  ///< The rest; null where there is none.
  float peak = 0;                     ///< The largest magnitude before clipping; full scale is 1.
  std::uint64_t clipped = 0;          ///< Samples beyond full scale, set to it; 0 for float.

  /// The pieces one after the other are the file. Valid as long as this object stays as it is.
  std::array<std::string_view, 2> pieces() const;
  std::string bytes() const;
};

/// Encodes one channel: 16-bit WAV files by itself, the others with libsndfile. Samples beyond full
/// scale are set to full scale, never wrapped. The same samples give the same bytes: no dates, no
/// names. Any thread.
/// Errors: "empty_audio"; "not_finite" (a NaN or infinity, with its place); "encode_failed".
Result<EncodedAudio> encode_audio(std::span<const float> samples, std::uint32_t sample_rate,
                                  AudioFormat format);

/// The same for audio in either form. Of 16-bit audio, peak and clipped are what it says of itself.
/// A 16-bit file holds just its samples; other subtypes, what they stand for.
Result<EncodedAudio> encode_audio(const Audio& audio, AudioFormat format);

}  // namespace flowtts
