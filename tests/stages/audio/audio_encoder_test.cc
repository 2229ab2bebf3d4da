#include "stages/audio/audio_encoder.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "stages/audio/audio_reader.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;

namespace {

const std::vector<AudioFormat>& all_formats() {
  static const std::vector<AudioFormat> kFormats{
      AudioFormat::of("wav", "pcm_16").value(), AudioFormat::of("wav", "pcm_24").value(),
      AudioFormat::of("wav", "float").value(), AudioFormat::of("flac", "pcm_16").value(),
      AudioFormat::of("flac", "pcm_24").value()};
  return kFormats;
}

std::vector<float> decoded(const EncodedAudio& encoded) {
  const testing::TempFolder folder;
  const auto audio = read_audio_file(folder.write("x.wav", encoded.bytes()), 100);
  REQUIRE(audio.ok());
  CHECK(audio->sample_rate == 22050);
  return audio->samples;
}

}  // namespace

TEST_CASE("audio comes back from every form of file as it went in, to the form's precision") {
  std::vector<float> samples(5000);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = std::sin(static_cast<float>(i) * 0.05F) * 0.9F;
  }
  for (const AudioFormat format : all_formats()) {
    const double step = format.subtype == AudioSubtype::kPcm16   ? 1.0 / 32768
                        : format.subtype == AudioSubtype::kPcm24 ? 1.0 / 8388608
                                                                 : 0;
    const auto encoded = encode_audio(samples, 22050, format);
    REQUIRE(encoded.ok());
    CHECK(encoded->peak == doctest::Approx(0.9));
    CHECK(encoded->clipped == 0);
    const std::vector<float> back = decoded(*encoded);
    REQUIRE(back.size() == samples.size());
    double worst = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      worst =
          std::max(worst, std::abs(static_cast<double>(back[i]) - static_cast<double>(samples[i])));
    }
    CHECK(worst <= step);
  }
}

TEST_CASE("samples beyond full scale are set to full scale, never wrapped, and counted") {
  const std::vector<float> samples{0.5F, 1.5F, -1.5F, 40000.0F, -1e30F, 1.0F, -1.0F};
  for (const AudioFormat format : all_formats()) {
    const auto encoded = encode_audio(samples, 22050, format);
    REQUIRE(encoded.ok());
    CHECK(encoded->peak == 1e30F);
    const std::vector<float> back = decoded(*encoded);
    REQUIRE(back.size() == samples.size());
    if (format.subtype == AudioSubtype::kFloat) {
      CHECK(encoded->clipped == 0);
      CHECK(back == samples);
      continue;
    }
    CHECK(encoded->clipped == 4);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double expected = std::min(1.0, std::max(-1.0, static_cast<double>(samples[i])));
      CHECK(static_cast<double>(back[i]) == doctest::Approx(expected).epsilon(1e-4));
    }
  }
}

TEST_CASE("what is no sound is refused: no samples, a NaN, an infinity") {
  const AudioFormat wav;
  const auto nothing = encode_audio({}, 22050, wav);
  REQUIRE(nothing.is_error());
  CHECK(nothing.error().code == "empty_audio");
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    const auto refused = encode_audio(std::vector<float>{0, 0, bad, 0}, 22050, wav);
    REQUIRE(refused.is_error());
    CHECK(refused.error().code == "not_finite");
    CHECK(refused.error().message.starts_with("sample 2 of 4 is "));
  }
}

TEST_CASE("the same samples give the same bytes, with no date in them") {
  const std::vector<float> samples(1000, 0.25F);
  for (const AudioFormat format : all_formats()) {
    const auto first = encode_audio(samples, 22050, format);
    const auto second = encode_audio(samples, 22050, format);
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    CHECK(first->bytes() == second->bytes());
    CHECK(first->bytes().substr(0, 256).find("PEAK") == std::string::npos);
  }
}

TEST_CASE("a 16-bit WAV file is its 44 bytes of header and its samples") {
  const auto encoded = encode_audio(std::vector<float>{0.0F, 0.5F, -1.0F}, 16000, AudioFormat{});
  REQUIRE(encoded.ok());
  const std::string expected(
      "RIFF\x2a\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\6\0\0\0"
      "\0\0\0\x40\0\x80",
      50);
  CHECK(encoded->bytes() == expected);
}

TEST_CASE("a form that there is not has no name") {
  CHECK(!AudioFormat::of("flac", "float"));
  CHECK(!AudioFormat::of("mp3", "pcm_16"));
  CHECK(!AudioFormat::of("wav", "pcm_8"));
}
