// How fast audio goes through the CPU's stages on one thread.
//
//   audio_bench FOLDER [SECONDS]
//
// FOLDER should be in memory (/dev/shm/x), so that the disk does not count. Rates are by processor
// time, so that what else the machine does counts little.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "stages/audio/audio_encoder.h"
#include "stages/audio/pcm16.h"
#include "stages/audio/resampler.h"
#include "stages/audio/sound_measure.h"

namespace {

using namespace flowtts;

constexpr std::uint32_t kRate = 22'050;
constexpr std::uint32_t kLowerRate = 16'000;
constexpr std::size_t kSamples = 100'000;  // 200 kB of 16 bits

std::vector<float> chirp(std::size_t count) {
  std::vector<float> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(count);
    samples[i] =
        static_cast<float>(0.9 * std::sin(t * t * 0.4 * 3.14159 * static_cast<double>(count)));
  }
  return samples;
}

/// Calls `work` again and again for so long and prints how often a second.
void measure(const char* what, double seconds, const std::function<bool(std::size_t)>& work) {
  const std::clock_t start = std::clock();
  double elapsed = 0;
  std::size_t calls = 0;
  while (elapsed < seconds) {
    if (!work(calls++)) {
      std::printf("%-44s failed\n", what);
      return;
    }
    elapsed = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  const double rate = static_cast<double>(calls) / elapsed;
  std::printf("%-44s %9.0f /s %9.0f audio-s/s\n", what, rate,
              rate * static_cast<double>(kSamples) / kRate);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: audio_bench FOLDER [SECONDS]\n");
    return 2;
  }
  const std::filesystem::path folder(argv[1]);
  const double seconds = argc > 2 ? std::atof(argv[2]) : 2;
  std::filesystem::create_directories(folder);
  const std::vector<float> samples = chirp(kSamples);
  const std::vector<float> lower = chirp(kSamples * kLowerRate / kRate);
  const auto path = [&](std::size_t call) { return folder / std::to_string(call % 64); };

  const auto pcm = std::make_shared<const Pcm16>(*quantize(samples));
  const Audio floats{samples, kRate, nullptr, nullptr};
  const Audio whole{{}, kRate, nullptr, pcm};
  const auto write = [&](const Audio& audio, AudioFormat format) {
    return [&, format](std::size_t call) {
      const auto encoded = encode_audio(audio, format);
      return encoded.ok() && !write_file(path(call), encoded->pieces(), {true, false});
    };
  };
  double sink = 0;  // so that nothing is left out
  const auto look_at = [&](const Audio& audio) {
    return [&](std::size_t) {
      sink += flowtts::measure(audio).rms;
      return sink > 0;
    };
  };
  measure("check 16 bits", seconds, look_at(whole));
  measure("check floats", seconds, look_at(floats));
  measure("floats to 16 bits", seconds, [&](std::size_t) { return quantize(samples).ok(); });
  measure("write floats as wav pcm_16", seconds, write(floats, AudioFormat{}));
  measure("write 16 bits as wav pcm_16", seconds, write(whole, AudioFormat{}));
  measure("write 16 bits as flac pcm_16", seconds,
          write(whole, AudioFormat::of("flac", "pcm_16").value()));
  measure("resample from 16,000 Hz, high", seconds, [&](std::size_t) {
    return resample(lower, kLowerRate, kRate, ResampleQuality::kHigh).ok();
  });
  for (std::size_t i = 0; i < 64; ++i) std::filesystem::remove(path(i));
}
