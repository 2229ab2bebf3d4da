#include "stages/audio/pcm16.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sndfile.h>

#include "stages/audio/audio_encoder.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;

namespace {

constexpr float kStep = 0x1p-15F;

/// The 16-bit WAV file that libsndfile writes.
std::string sndfile_wav(const std::vector<float>& samples, int rate) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "x.wav";
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  REQUIRE(file != nullptr);
  sf_command(file, SFC_SET_CLIPPING, nullptr, SF_TRUE);
  const auto count = static_cast<sf_count_t>(samples.size());
  CHECK(sf_write_float(file, samples.data(), count) == count);
  sf_close(file);
  return testing::read_whole_file(path);
}

/// Around every 16-bit step, its halves and full scale, by some of the smallest differences there
/// are; very small values; values of all magnitudes.
std::vector<float> nasty_samples() {
  std::vector<float> samples;
  for (int step = -32770; step <= 32770; ++step) {
    for (const float part : {0.0F, 0.25F, 0.5F}) {
      float low = (static_cast<float>(step) + part) * kStep;
      float high = low;
      samples.push_back(low);
      for (int i = 0; i < 3; ++i) {
        samples.push_back(low = std::nextafter(low, -2.0F));
        samples.push_back(high = std::nextafter(high, 2.0F));
      }
    }
  }
  // What rounds to a whole step only in the 32 bits on the way.
  for (int step = -130; step <= 130; ++step) {
    for (int off = -40; off <= 40; ++off) {
      samples.push_back(
          static_cast<float>((static_cast<double>(step) * 65536 + off * 0.125) * 0x1p-31));
    }
  }
  std::mt19937 random(7);
  std::uniform_real_distribution<float> exponent(-45, 10);
  for (int i = 0; i < 100'000; ++i) {
    samples.push_back(std::exp2(exponent(random)) * (i % 2 == 0 ? 1.0F : -1.0F));
  }
  for (const float odd : {0.0F, -0.0F, 1e-45F, -1e-45F, 3e38F, -3e38F, 1.0F, -1.0F}) {
    samples.push_back(odd);
  }
  return samples;
}

}  // namespace

TEST_CASE("16 bits are what libsndfile makes of the same samples, in a file that is the same") {
  const std::vector<float> all = nasty_samples();
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{1023},
                                  std::size_t{1024}, std::size_t{1025}, all.size()}) {
    const std::vector<float> samples(all.end() - static_cast<std::ptrdiff_t>(count), all.end());
    for (const std::uint32_t rate : {8000U, 22050U, 384000U}) {
      const auto encoded = encode_audio(samples, rate, AudioFormat{});
      REQUIRE(encoded.ok());
      CHECK((encoded->bytes() == sndfile_wav(samples, static_cast<int>(rate))));
    }
  }
}

TEST_CASE("the peak is that before clipping, and what is beyond full scale is counted") {
  std::vector<float> samples(3000, 0.25F);
  CHECK(quantize(samples)->peak == 0.25F);
  CHECK(quantize(samples)->clipped == 0);
  samples[0] = 1.0F;
  samples[1] = -1.0F;
  CHECK(quantize(samples)->clipped == 0);
  samples[1500] = std::nextafter(1.0F, 2.0F);
  samples[2999] = -2.5F;
  const auto pcm = quantize(samples);
  REQUIRE(pcm.ok());
  CHECK(pcm->peak == 2.5F);
  CHECK(pcm->clipped == 2);
  CHECK(pcm->samples[1500] == 32767);
  CHECK(pcm->samples[2999] == -32768);
}

TEST_CASE("what is no sound has no 16 bits") {
  const auto nothing = quantize({});
  REQUIRE(nothing.is_error());
  CHECK(nothing.error().code == "empty_audio");
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
        std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    for (const std::size_t place : {std::size_t{0}, std::size_t{1023}, std::size_t{2999}}) {
      std::vector<float> samples(3000, 0.25F);
      samples[place] = bad;
      const auto refused = quantize(samples);
      REQUIRE(refused.is_error());
      CHECK(refused.error().code == "not_finite");
      CHECK(
          refused.error().message.starts_with("sample " + std::to_string(place) + " of 3000 is "));
    }
  }
}

TEST_CASE("16-bit samples may be a part of memory that lives as long as the last of them") {
  auto memory = std::make_shared<std::vector<std::int16_t>>(std::vector<std::int16_t>{1, 2, 3, 4});
  const std::weak_ptr<const void> watched = memory;
  Samples16 part(memory, std::span(*memory).subspan(1, 2));
  memory.reset();
  CHECK(part == Samples16{2, 3});
  CHECK(part.size() == 2);
  CHECK(part[1] == 3);
  Samples16 copy = part;
  CHECK(copy.data() == part.data());
  part = {};
  CHECK(part.empty());
  CHECK_FALSE(watched.expired());
  copy = {};
  CHECK(watched.expired());
}

TEST_CASE("audio tells its length and gives floats in both of its forms") {
  const Audio floats{{0.5F, -0.25F}, 8000, nullptr};
  CHECK(floats.size() == 2);
  CHECK(floats.floats() == floats.samples);
  Audio pcm{{}, 8000, nullptr};
  pcm.pcm = std::make_shared<const Pcm16>(Pcm16{{16384, -32768, 32767}, 1.0F, 0});
  CHECK(pcm.size() == 3);
  CHECK(pcm.floats() == std::vector<float>{0.5F, -1.0F, 32767.0F / 32768.0F});
  CHECK(quantize(pcm.floats())->samples == pcm.pcm->samples);
  CHECK(pcm.seconds() == 3.0 / 8000);
  CHECK(pcm.bytes() >= sizeof(Audio) + sizeof(Pcm16) + 6);
  JsonWriter json;
  pcm.to_json(json);
  CHECK(json.text() == R"({"sample_rate":8000,"samples":3})");
  Audio given = floats;
  const float* before = given.samples.data();
  CHECK(std::move(given).floats().data() == before);
}
