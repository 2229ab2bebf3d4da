#include "stages/audio/resampler.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/payloads.h>

#include "stages/audio/pcm16.h"
#include "tests/stages/stage_helpers.h"

using namespace flowtts;

namespace {

std::vector<float> tone(double hertz, std::uint32_t rate, std::size_t count) {
  std::vector<float> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    samples[i] = static_cast<float>(
        0.5 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate));
  }
  return samples;
}

// The largest difference, away from the ends, where the filter sees silence beyond them.
double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  const std::size_t edge = a.size() / 10;
  double largest = 0;
  for (std::size_t i = edge; i < a.size() - edge; ++i) {
    largest = std::max(largest, static_cast<double>(std::abs(a[i] - b[i])));
  }
  return largest;
}

}  // namespace

TEST_CASE("resampled audio is as long as before, to the nearest sample, in every quality") {
  struct Length {
    std::uint64_t count;
    std::uint32_t from, to;
    std::uint64_t expected;
  };
  for (const Length& each : {Length{0, 16000, 22050, 0},
                             {1, 16000, 22050, 1},
                             {1, 22050, 8000, 0},
                             {2, 44100, 22050, 1},
                             {3, 44100, 22050, 2},
                             {16000, 16000, 22050, 22050},
                             {1001, 24000, 22050, 920},
                             {7, 384000, 4000, 0},
                             {5, 4000, 384000, 480}}) {
    CAPTURE(each.count);
    CAPTURE(each.from);
    CAPTURE(each.to);
    CHECK(resampled_length(each.count, each.from, each.to) == each.expected);
    for (const std::string_view name : kResampleQualities) {
      CAPTURE(name);
      const auto made = resample(std::vector<float>(each.count, 0.1F), each.from, each.to,
                                 resample_quality(name).value());
      REQUIRE(made.ok());
      CHECK(made->size() == each.expected);
    }
  }
}

TEST_CASE("a tone stays the same tone, at the same moment and level") {
  struct Tolerance {
    ResampleQuality quality;
    double difference;
  };
  for (const auto& [from, to] : {std::pair{16000U, 22050U}, {22050U, 16000U}, {24000U, 48000U}}) {
    const std::vector<float> expected = tone(440, to, to);
    for (const Tolerance& each : {Tolerance{ResampleQuality::kLow, 1e-3},
                                  {ResampleQuality::kHigh, 1e-4},
                                  {ResampleQuality::kVeryHigh, 1e-5}}) {
      CAPTURE(from);
      CAPTURE(to);
      CAPTURE(each.difference);
      const auto made = resample(tone(440, from, from), from, to, each.quality);
      REQUIRE(made.ok());
      CHECK(largest_difference(*made, expected) < each.difference);
    }
  }
}

TEST_CASE("what a lower rate cannot hold is taken out, not folded back") {
  const auto made = resample(tone(9000, 24000, 24000), 24000, 16000, ResampleQuality::kHigh);
  REQUIRE(made.ok());
  CHECK(largest_difference(*made, std::vector<float>(16000, 0.0F)) < 1e-3);
}

TEST_CASE("equal rates give the samples themselves") {
  const std::vector<float> odd{1.5F, -0.0F, 1e-30F, -2.0F};
  const auto made = resample(odd, 22050, 22050, ResampleQuality::kVeryHigh);
  REQUIRE(made.ok());
  CHECK(*made == odd);
}

TEST_CASE("threads get the same bits as one alone") {
  const std::vector<float> samples = tone(300, 16000, 20000);
  const auto alone = resample(samples, 16000, 22050, ResampleQuality::kHigh);
  REQUIRE(alone.ok());
  std::vector<int> same(8, 0);
  std::vector<std::thread> threads;
  for (int& agrees : same) {
    threads.emplace_back([&] {
      agrees = 1;
      for (int round = 0; round < 5; ++round) {
        const auto made = resample(samples, 16000, 22050, ResampleQuality::kHigh);
        if (!made.ok() || *made != *alone) agrees = 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(same == std::vector<int>(8, 1));
}

TEST_CASE("the stage resample gives its rate and keeps how the audio came to be") {
  const auto stage = testing::stage_type("resample").make();
  const testing::LooseItem loose;
  Audio audio{tone(440, 16000, 16000), 16000, std::make_shared<const Speech>()};
  const auto speech = audio.speech;
  const auto made = stage->process(AnyPayload::of(std::move(audio)), loose.item);
  REQUIRE(made.ok());
  const auto* out = made->as<Audio>();
  REQUIRE(out != nullptr);
  CHECK(out->sample_rate == 22050);
  CHECK(out->samples.size() == 22050);
  CHECK(out->speech == speech);

  const auto refused = stage->process(AnyPayload::of(Audio{{0.0F}, 0, nullptr}), loose.item);
  REQUIRE(refused.is_error());
  CHECK(refused.error().code == "no_sample_rate");
}

TEST_CASE("the stage resample gives 16 bits where they are asked for, and floats where those are") {
  const testing::LooseItem loose;
  const auto process = [&](std::uint32_t rate, const char* encoding, Audio audio) {
    const auto stage = testing::stage_type("resample").make();
    testing::set_param<std::uint32_t>(*stage, "resample", "rate", rate);
    testing::set_param<std::string>(*stage, "resample", "encoding", encoding);
    const auto made = stage->process(AnyPayload::of(std::move(audio)), loose.item);
    REQUIRE(made.ok());
    return *made->as<Audio>();
  };
  std::vector<float> loud = tone(440, 16000, 16000);
  loud[5] = 1.75F;
  for (const std::uint32_t rate : {16000U, 22050U}) {
    const Audio floats = process(rate, "float", {loud, 16000, nullptr});
    const Audio pcm = process(rate, "pcm_16", {loud, 16000, nullptr});
    CHECK(floats.pcm == nullptr);
    CHECK(floats.size() == rate);
    REQUIRE(pcm.pcm != nullptr);
    CHECK(pcm.samples.empty());
    CHECK(pcm.sample_rate == rate);
    const auto expected = quantize(floats.samples);
    CHECK(pcm.pcm->samples == expected->samples);
    CHECK(pcm.pcm->peak == expected->peak);
    CHECK(pcm.pcm->clipped == expected->clipped);
    CHECK(pcm.pcm->clipped > 0);

    CHECK(process(rate, "pcm_16", pcm).pcm == pcm.pcm);  // what has all that is asked for passes
    const Audio back = process(rate, "float", pcm);
    CHECK(back.pcm == nullptr);
    CHECK(back.samples == pcm.floats());
  }
  const Audio up = process(22050, "pcm_16", process(16000, "pcm_16", {loud, 16000, nullptr}));
  REQUIRE(up.pcm != nullptr);
  CHECK(up.size() == 22050);

  const auto stage = testing::stage_type("resample").make();
  testing::set_param<std::string>(*stage, "resample", "encoding", "pcm_16");
  loud[7] = std::numeric_limits<float>::quiet_NaN();
  const auto refused = stage->process(AnyPayload::of(Audio{loud, 22050, nullptr}), loose.item);
  REQUIRE(refused.is_error());
  CHECK(refused.error().code == "not_finite");
}
