#include "stages/audio/sound_measure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "stages/audio/pcm16.h"

using namespace flowtts;

namespace {

constexpr std::uint32_t kRate = 22'050;

std::vector<float> tone(std::size_t count, float level = 0.5F) {
  std::vector<float> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    samples[i] = level * static_cast<float>(std::sin(0.3 * static_cast<double>(i)));
  }
  return samples;
}

Audio floats(std::vector<float> samples) { return {std::move(samples), kRate}; }

Audio pcm(const std::vector<float>& samples) {
  Audio audio{{}, kRate};
  audio.pcm = std::make_shared<const Pcm16>(quantize(samples).value());
  return audio;
}

std::vector<float> joined(std::initializer_list<std::vector<float>> parts) {
  std::vector<float> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

TEST_CASE("peak and level are those of a plain loop, whatever the length, in both forms") {
  for (const std::size_t count : {1U, 7U, 255U, 256U, 257U, 4095U, 4096U, 4097U, 20'001U}) {
    CAPTURE(count);
    const std::vector<float> samples = tone(count, 0.9F);
    double energy = 0;
    float peak = 0;
    for (const float sample : samples) {
      energy += static_cast<double>(sample) * static_cast<double>(sample);
      peak = std::max(peak, std::abs(sample));
    }
    const double rms = std::sqrt(energy / static_cast<double>(count));
    for (const Audio& audio : {floats(samples), pcm(samples)}) {
      const SoundMeasure sound = measure(audio);
      CHECK(sound.samples == count);
      CHECK(sound.peak == doctest::Approx(peak).epsilon(1e-4));
      CHECK(sound.rms == doctest::Approx(rms).epsilon(1e-3));
      CHECK(sound.clipped == 0);
      CHECK(sound.not_finite == 0);
    }
  }
}

TEST_CASE("the loudest 16-bit samples have the level of full scale") {
  Audio audio{{}, kRate};
  audio.pcm = std::make_shared<const Pcm16>(
      Pcm16{std::vector<std::int16_t>(100'000, std::int16_t{-32768}), 1.0F, 0});
  CHECK(measure(audio).rms == doctest::Approx(1.0));
  CHECK(measure(audio).peak == 1.0F);
}

TEST_CASE("no samples and digital silence have no level") {
  CHECK(measure(floats({})).samples == 0);
  CHECK(measure(floats({})).level_db() == -std::numeric_limits<double>::infinity());
  CHECK(measure(pcm(std::vector<float>(5000))).level_db() ==
        -std::numeric_limits<double>::infinity());
  CHECK(measure(pcm(std::vector<float>(5000))).longest_pause == 0);
}

TEST_CASE("samples beyond full scale are counted in both forms, and 16 bits keep their peak") {
  std::vector<float> samples = tone(3000);
  for (const std::size_t at : {0U, 256U, 2999U}) samples[at] = at == 256 ? -1.5F : 1.25F;
  for (const Audio& audio : {floats(samples), pcm(samples)}) {
    CHECK(measure(audio).clipped == 3);
    CHECK(measure(audio).peak == 1.5F);
  }
}

TEST_CASE("NaN and infinite samples are counted wherever they stand") {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
        std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> samples = tone(5000);
    for (const std::size_t at : {0U, 255U, 4096U, 4999U}) samples[at] = bad;
    CHECK(measure(floats(samples)).not_finite == 4);
  }
}

TEST_CASE("a pause lies between two sounds, not before the first or behind the last") {
  const std::vector<float> sound = tone(4096);
  const std::vector<float> quiet = tone(40'960, 0.001F);  // 54 dB below
  const std::vector<float> none(20'480);
  struct Case {
    const char* name;
    std::vector<float> samples;
    std::uint64_t pause;
  };
  const std::vector<Case> cases{
      {"sound alone", sound, 0},
      {"silence before and behind", joined({quiet, sound, none}), 0},
      {"inside", joined({sound, none, sound}), 20'480},
      {"the longer of two", joined({sound, none, sound, quiet, sound}), 40'960},
      {"noise far below", joined({sound, quiet, none, sound}), 61'440},
      {"a low voice", joined({sound, tone(20'480, 0.02F), sound}), 0}};
  for (const Case& one : cases) {
    CAPTURE(one.name);
    CHECK(measure(floats(one.samples)).longest_pause == one.pause);
    CHECK(measure(pcm(one.samples)).longest_pause == one.pause);
  }
}

TEST_CASE("the hash tells sounds apart by each of their samples and their number") {
  const std::vector<float> samples = tone(9000);
  std::set<std::uint64_t> hashes{measure(pcm(samples)).hash, measure(floats(samples)).hash};
  CHECK(hashes.size() == 2);
  CHECK(measure(pcm(samples)).hash == measure(pcm(std::vector<float>(samples))).hash);
  for (const std::size_t at : {0U, 4095U, 4096U, 8999U}) {
    std::vector<float> other = samples;
    other[at] += 0.1F;
    CHECK(hashes.insert(measure(pcm(other)).hash).second);
    CHECK(hashes.insert(measure(floats(other)).hash).second);
  }
  std::vector<float> longer = samples;
  longer.push_back(0);
  CHECK(hashes.insert(measure(pcm(longer)).hash).second);
}
