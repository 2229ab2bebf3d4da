#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <thread>

#include <c10/core/CachingDeviceAllocator.h>
#include <doctest/doctest.h>

#include "stages/neural/cuda/cuda_module.h"
#include "stages/neural/shared_library.h"
#include "stages/neural/torch/torch_engine.h"
#include "tests/torch/gpu.h"
#include "tests/torch/models.h"

// What only a GPU shows. On a machine without one each test says that it was skipped.

using flowtts::DeviceId;
using flowtts::Result;
using flowtts::VoiceEngine;
using flowtts::VoiceInput;
using flowtts::testing::kGpu;
using flowtts::testing::no_gpu;
using flowtts::testing::speak;
using flowtts::testing::start_gpu;

namespace {

using Samples = std::vector<float>;

/// \param memory_bytes that it may take of the device, as in a run with such a limit; 0: any.
std::shared_ptr<VoiceEngine> open(const flowtts::VoiceConfig& voice, DeviceId device,
                                  std::uint64_t memory_bytes = 0) {
  flowtts::TorchOptions options;
  options.voice.share.memory_bytes = memory_bytes;
  auto engine = flowtts::open_torchscript(voice, device, options);
  if (engine.is_error()) FAIL(engine.error().message);
  return std::move(engine).value();
}

/// Sentences of many lengths for the default voice, its four speakers in turn.
struct Sentences {
  std::vector<std::vector<std::int64_t>> tokens;
  std::vector<VoiceInput> inputs;

  explicit Sentences(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      tokens.push_back(flowtts::testing::sentence_tokens(5 + i * 7 % 90, i));
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      inputs.push_back({tokens[i], static_cast<std::int64_t>(i % 4), 1.0, 0});
    }
  }
};

Samples require_samples(const Result<Samples>& row) {
  if (row.is_error()) FAIL(row.error().message);
  return row.value();
}

}  // namespace

TEST_CASE("On a GPU a sentence has the same bits alone, in a batch, and on another lane") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const auto binding = runtime->bind(kGpu);
  const auto engine = open(flowtts::testing::default_voice(), kGpu);
  const Sentences sentences(48);
  constexpr std::size_t kRows = 64;
  const auto together = speak(*engine, sentences.inputs, kRows);
  for (std::size_t i = 0; i < together.size(); ++i) {
    CHECK(require_samples(together[i]) ==
          require_samples(speak(*engine, {&sentences.inputs[i], 1}, kRows).front()));
  }
  std::vector<Result<Samples>> elsewhere;
  std::thread([&] {
    const auto lane = runtime->bind(kGpu);
    elsewhere = speak(*engine, std::span(sentences.inputs).subspan(10, 20), kRows);
  }).join();
  REQUIRE(elsewhere.size() == 20);
  for (std::size_t i = 0; i < elsewhere.size(); ++i) {
    CHECK(require_samples(elsewhere[i]) == require_samples(together[i + 10]));
  }
  CHECK(runtime->memory(kGpu).peak > 0);
}

TEST_CASE("On a GPU plans rendered in any company, of any length, give the same bits") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const auto binding = runtime->bind(kGpu);
  auto voice = flowtts::testing::default_voice();
  flowtts::TorchOptions options;
  options.voice.compiled = "never";
  SUBCASE("by the voice's own module") {}
  SUBCASE("compiled") {
    options.voice.compiled = "always";
    voice = flowtts::read_voice(voice.file, /*hash=*/true).value();
  }
  const auto opened = flowtts::open_torchscript(voice, kGpu, options);
  if (opened.is_error()) {
    REQUIRE(opened.error().code == "voice_not_compiled");
    MESSAGE("skipped: " << opened.error().message);
    return;
  }
  const auto engine = *opened;
  const Sentences sentences(400);
  // Each is planned twice, the second time in other company of its class, as a run would.
  std::vector<flowtts::VoicePlanPtr> plans(2 * sentences.inputs.size());
  std::mt19937 random(5);
  for (const std::size_t times : {0, 1}) {
    std::map<std::size_t, std::vector<std::size_t>> classes;
    for (std::size_t i = 0; i < sentences.inputs.size(); ++i) {
      classes[engine->shapes().rows(sentences.tokens[i].size())].push_back(i);
    }
    for (auto& [rows, members] : classes) {
      if (times == 1) std::shuffle(members.begin(), members.end(), random);
      const std::size_t count = times == 0 ? 50 : 33;
      for (std::size_t begin = 0; begin < members.size(); begin += count) {
        std::vector<VoiceInput> inputs;
        const std::size_t end = std::min(begin + count, members.size());
        for (std::size_t i = begin; i < end; ++i) inputs.push_back(sentences.inputs[members[i]]);
        const auto planned = engine->plan(inputs, rows);
        for (std::size_t i = begin; i < end; ++i) {
          plans[times * sentences.inputs.size() + members[i]] = planned[i - begin].value();
        }
      }
    }
  }
  std::map<std::size_t, Samples> first;
  int compared = 0, different = 0;
  float most = 0;
  for (int batch = 0; batch < 200; ++batch) {
    // Of neighbours in length, and of anything.
    std::vector<std::size_t> places;
    const std::size_t count = batch % 3 == 0 ? 1 + random() % 8 : 64;
    for (std::size_t i = 0; i < count; ++i) places.push_back(random() % plans.size());
    std::vector<const flowtts::VoicePlan*> chosen;
    for (const std::size_t place : places) chosen.push_back(plans[place].get());
    const auto rows = flowtts::testing::on_host(engine->render(chosen, 64));
    for (std::size_t i = 0; i < places.size(); ++i) {
      const Samples samples = require_samples(rows[i]);
      const auto [place, added] = first.emplace(places[i] % sentences.inputs.size(), samples);
      if (added) continue;
      ++compared;
      REQUIRE(samples.size() == place->second.size());
      if (samples == place->second) continue;
      ++different;
      for (std::size_t k = 0; k < samples.size(); ++k) {
        most = std::max(most, std::abs(samples[k] - place->second[k]));
      }
    }
  }
  CAPTURE(compared);
  CAPTURE(most);
  CHECK(different == 0);
}

TEST_CASE("A GPU and a CPU speak the same words, a little apart in the last digits") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const Sentences sentences(8);
  std::vector<Result<Samples>> on_gpu, on_cpu;
  {
    const auto binding = runtime->bind(kGpu);
    on_gpu = speak(*open(flowtts::testing::default_voice(), kGpu), sentences.inputs);
  }
  {
    const auto binding = runtime->bind({});
    on_cpu = speak(*open(flowtts::testing::default_voice(), {}), sentences.inputs);
  }
  for (std::size_t i = 0; i < on_gpu.size(); ++i) {
    const Samples a = require_samples(on_gpu[i]), b = require_samples(on_cpu[i]);
    REQUIRE(a.size() == b.size());
    float apart = 0;
    for (std::size_t k = 0; k < a.size(); ++k) apart = std::max(apart, std::abs(a[k] - b[k]));
    CHECK(apart < 5e-3F);
  }
}

TEST_CASE(
    "A batch that is too large for a GPU's memory limit says so, and a smaller one goes well") {
  if (no_gpu()) return;
  if (flowtts::open_module(flowtts::kCudaModuleFile).is_error()) {
    MESSAGE("skipped: built without CUDA's headers, so that no limit can be set");
    return;
  }
  constexpr std::uint64_t kLimit = 1056U << 20U;  // most of it is CUDA's own
  const auto runtime = start_gpu(kLimit);
  const auto binding = runtime->bind(kGpu);
  const auto engine = open(flowtts::testing::default_voice(), kGpu, kLimit);
  runtime->release_cached(kGpu);
  const Sentences sentences(200);
  for (const auto& row : speak(*engine, sentences.inputs)) {
    REQUIRE(row.is_error());
    CHECK(row.error().code == flowtts::kOutOfMemoryCode);
  }
  for (const auto& row : speak(*engine, std::span(sentences.inputs).first(16))) {
    require_samples(row);
  }
  CHECK(runtime->start(kGpu, {}).ok());  // without a limit again, for whoever comes next
  for (const auto& row : speak(*engine, sentences.inputs)) require_samples(row);
}

TEST_CASE("A batch with a sentence that no memory lets through says so and the GPU goes on") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const auto binding = runtime->bind(kGpu);
  const flowtts::testing::TinyVoice greedy(R"(
def forward(self, tokens, token_lengths, speaker, speed):
    if bool((tokens == 13).any()):
        return torch.zeros([1 << 44], device=tokens.device).view([1, -1]), token_lengths
    return tokens.to(torch.float), token_lengths
)");
  const auto engine = open(greedy.config(), kGpu);
  const std::vector<std::vector<std::int64_t>> tokens{{1}, {13}, {3}};
  std::vector<VoiceInput> inputs;
  for (const auto& each : tokens) inputs.push_back({each, 0, 1.0, 0});
  for (const auto& row : speak(*engine, inputs)) {
    REQUIRE(row.is_error());
    CHECK(row.error().code == flowtts::kOutOfMemoryCode);
    CHECK(row.error().retryable);
  }
  CHECK(require_samples(speak(*engine, std::span(inputs).last(1)).front()) == Samples{3});
}
