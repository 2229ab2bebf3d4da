#include "stages/audio/polyphase.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <doctest/doctest.h>

#include "stages/audio/resampler.h"

using namespace flowtts;

namespace {

struct Rates {
  std::uint32_t from, to;
};

const std::vector<Rates>& all_rates() {
  static const std::vector<Rates> kRates{{16000, 22050}, {22050, 16000}, {24000, 16000},
                                         {16000, 48000}, {48000, 16000}, {24000, 22050},
                                         {8000, 44100}};
  return kRates;
}

PolyphaseFilter filter_of(Rates rates) {
  const auto filter = design_polyphase(rates.from, rates.to);
  REQUIRE(filter.ok());
  return *filter;
}

std::vector<float> tone(double hertz, std::uint32_t rate, std::size_t count) {
  std::vector<float> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    samples[i] = static_cast<float>(
        std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate + 0.3));
  }
  return samples;
}

/// From 0 Hz up to `hertz` at the end.
std::vector<float> chirp(double hertz, std::uint32_t rate, std::size_t count) {
  std::vector<float> samples(count);
  const double slope = hertz * rate / static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double seconds = static_cast<double>(i) / rate;
    samples[i] = static_cast<float>(0.8 * std::sin(std::numbers::pi * slope * seconds * seconds));
  }
  return samples;
}

double decibels(double share) { return 20 * std::log10(std::max(share, 1e-12)); }

/// The largest difference away from the ends, where a filter sees the silence beyond them.
double difference(const std::vector<float>& a, const std::vector<float>& b, std::size_t edge) {
  REQUIRE(a.size() == b.size());
  REQUIRE(a.size() > 2 * edge);
  double largest = 0;
  for (std::size_t i = edge; i < a.size() - edge; ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return decibels(largest);
}

std::size_t edge_of(const PolyphaseFilter& filter) {
  return std::size_t{filter.taps} * filter.up / filter.down + 1;
}

/// Long enough that something is left between the ends.
std::size_t inputs_for(const PolyphaseFilter& filter) {
  return std::size_t{filter.taps} * 2 + 3000;
}

}  // namespace

TEST_CASE("in the pass band a tone is itself to 110 dB, which holds its images down as well") {
  for (const Rates rates : all_rates()) {
    CAPTURE(rates.from);
    CAPTURE(rates.to);
    const PolyphaseFilter filter = filter_of(rates);
    const double half = std::min(rates.from, rates.to) / 2.0;
    for (const double share : {0.0, 0.01, 0.2, 0.5, 0.77, 0.9, 0.913}) {
      CAPTURE(share);
      const auto made = resample(filter, tone(share * half, rates.from, inputs_for(filter)));
      const auto expected = tone(share * half, rates.to, made.size());
      CHECK(difference(made, expected, edge_of(filter)) < -110);
    }
  }
}

TEST_CASE("what a lower rate cannot hold is 110 dB down, from half that rate on") {
  for (const Rates rates : all_rates()) {
    if (rates.to > rates.from) continue;
    CAPTURE(rates.from);
    CAPTURE(rates.to);
    const PolyphaseFilter filter = filter_of(rates);
    const double half = rates.to / 2.0;
    for (int step = 0; step <= 24; ++step) {
      const double hertz = half + (rates.from / 2.0 - half) * step / 24;
      CAPTURE(hertz);
      const auto made = resample(filter, tone(hertz, rates.from, inputs_for(filter)));
      CHECK(difference(made, std::vector<float>(made.size()), edge_of(filter)) < -110);
    }
  }
}

TEST_CASE("a tone at half of the lower rate leaves no image at a higher one") {
  // There the tone itself is 110 dB down as well, so that all that is left is what should not be.
  for (const Rates rates : {Rates{16000, 22050}, {16000, 48000}, {8000, 44100}}) {
    const PolyphaseFilter filter = filter_of(rates);
    const auto made = resample(filter, tone(rates.from / 2.0, rates.from, inputs_for(filter)));
    CHECK(difference(made, std::vector<float>(made.size()), edge_of(filter)) < -110);
  }
}

TEST_CASE("a chirp is what libsoxr makes of it at its best") {
  // Between the ratios that it does in steps, libsoxr lets the upper pass band fall by 0.01 dB.
  struct Band {
    double share, decibels;
  };
  for (const Rates rates : all_rates()) {
    CAPTURE(rates.from);
    CAPTURE(rates.to);
    const PolyphaseFilter filter = filter_of(rates);
    const double half = std::min(rates.from, rates.to) / 2.0;
    for (const Band band : {Band{0.4, -105}, {0.9, -58}}) {
      const std::vector<float> in = chirp(band.share * half, rates.from, 20'001);
      const auto best = resample(in, rates.from, rates.to, ResampleQuality::kVeryHigh);
      REQUIRE(best.ok());
      CHECK(difference(resample(filter, in), *best, 4 * edge_of(filter)) < band.decibels);
    }
  }
}

TEST_CASE("an impulse stays at its time, and the filter is the same to both sides of it") {
  for (const Rates rates : all_rates()) {
    CAPTURE(rates.from);
    CAPTURE(rates.to);
    const PolyphaseFilter filter = filter_of(rates);
    std::vector<float> impulse(inputs_for(filter));
    impulse[0] = 1;
    const auto at_start = resample(filter, impulse);
    CHECK(std::ranges::max_element(at_start) == at_start.begin());

    // At an input whose time is an output's as well.
    const std::size_t place = (inputs_for(filter) / 2) / filter.down;
    std::fill(impulse.begin(), impulse.end(), 0.0F);
    impulse[place * filter.down] = 1;
    const auto inside = resample(filter, impulse);
    const std::size_t centre = place * filter.up;
    CHECK(std::ranges::max_element(inside) - inside.begin() == static_cast<std::ptrdiff_t>(centre));
    for (std::size_t i = 1; i < edge_of(filter); ++i) {
      REQUIRE(inside[centre - i] == doctest::Approx(inside[centre + i]).epsilon(1e-9));
    }
  }
}

TEST_CASE("filtered audio is as long as before, to the nearest sample, down to none") {
  for (const Rates rates : all_rates()) {
    const PolyphaseFilter filter = filter_of(rates);
    for (const std::size_t count : {0U, 1U, 2U, 3U, 7U, 171U, 1001U}) {
      CAPTURE(count);
      CHECK(resample(filter, std::vector<float>(count, 0.5F)).size() ==
            resampled_length(count, rates.from, rates.to));
    }
  }
}

TEST_CASE("equal rates give the samples themselves") {
  const PolyphaseFilter filter = filter_of({22050, 22050});
  CHECK(filter.taps == 1);
  const std::vector<float> odd{1.5F, -0.0F, 1e-30F, -2.0F};
  CHECK(resample(filter, odd) == odd);
}

TEST_CASE("a filter is as large as its head says, and its ratio in lowest terms") {
  for (const Rates rates : all_rates()) {
    const PolyphaseFilter filter = filter_of(rates);
    CHECK(std::uint64_t{rates.from} * filter.up == std::uint64_t{rates.to} * filter.down);
    CHECK(filter.coefficients.size() == std::size_t{filter.up} * filter.taps);
    CHECK(filter.lead == filter.taps / 2 - 1);
  }
  CHECK(filter_of({16000, 22050}).up == 441);
  CHECK(filter_of({16000, 22050}).down == 320);
}

TEST_CASE("rates with nothing in common, or none at all, are refused") {
  const auto fine = design_polyphase(16000, 22051);
  REQUIRE(fine.is_error());
  CHECK(fine.error().code == "ratio_too_fine");
  CHECK(fine.error().message.starts_with(
      "from 16000 to 22051 Hz is 22051/16000 in lowest terms, which is a filter of 22051 x "));
  CHECK(design_polyphase(4'294'967'291U, 1).error().code == "ratio_too_fine");
  CHECK(design_polyphase(1, 4'294'967'291U).error().code == "ratio_too_fine");
  CHECK(design_polyphase(0, 16000).error().code == "no_sample_rate");
  CHECK(design_polyphase(16000, 0).error().code == "no_sample_rate");
}
