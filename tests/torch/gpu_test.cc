#include <algorithm>
#include <cmath>
#include <thread>

#include <c10/core/CachingDeviceAllocator.h>
#include <doctest/doctest.h>

#include "stages/neural/cuda/cuda_module.h"
#include "stages/neural/shared_library.h"
#include "stages/neural/torch/torchscript_engine.h"
#include "tests/torch/models.h"

// What only a GPU shows. On a machine without one each test says that it was skipped.

using flowtts::DeviceId;
using flowtts::DeviceKind;
using flowtts::Result;
using flowtts::VoiceEngine;
using flowtts::VoiceInput;

namespace {

using Samples = std::vector<float>;

constexpr DeviceId kGpu{DeviceKind::kCuda, 0};

bool no_gpu() {
  if (!flowtts::visible_gpus().empty()) return false;
  MESSAGE("skipped: this machine has no GPU");
  return true;
}

std::shared_ptr<flowtts::DeviceRuntime> start_gpu(std::uint64_t memory_limit_bytes = 0) {
  auto runtime = flowtts::make_torch_runtime();
  const auto info = runtime->start(kGpu, flowtts::MemoryLimit{memory_limit_bytes, 0});
  if (info.is_error()) FAIL(info.error().message);
  CHECK(info->total_bytes > info->free_bytes);
  CHECK_FALSE(info->name.empty());
  return runtime;
}

std::shared_ptr<VoiceEngine> open(const flowtts::VoiceConfig& voice, DeviceId device) {
  auto engine = flowtts::open_torchscript(voice, device);
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
  const auto together = engine->synthesize(sentences.inputs);
  for (std::size_t i = 0; i < together.size(); ++i) {
    CHECK(require_samples(together[i]) ==
          require_samples(engine->synthesize({&sentences.inputs[i], 1}).front()));
  }
  std::vector<Result<Samples>> elsewhere;
  std::thread([&] {
    const auto lane = runtime->bind(kGpu);
    elsewhere = engine->synthesize(std::span(sentences.inputs).subspan(10, 20));
  }).join();
  REQUIRE(elsewhere.size() == 20);
  for (std::size_t i = 0; i < elsewhere.size(); ++i) {
    CHECK(require_samples(elsewhere[i]) == require_samples(together[i + 10]));
  }
  CHECK(runtime->memory(kGpu).peak > 0);
}

TEST_CASE("A GPU and a CPU speak the same words, a little apart in the last digits") {
  if (no_gpu()) return;
  const auto runtime = start_gpu();
  const Sentences sentences(8);
  std::vector<Result<Samples>> on_gpu, on_cpu;
  {
    const auto binding = runtime->bind(kGpu);
    on_gpu = open(flowtts::testing::default_voice(), kGpu)->synthesize(sentences.inputs);
  }
  {
    const auto binding = runtime->bind({});
    on_cpu = open(flowtts::testing::default_voice(), {})->synthesize(sentences.inputs);
  }
  for (std::size_t i = 0; i < on_gpu.size(); ++i) {
    const Samples a = require_samples(on_gpu[i]), b = require_samples(on_cpu[i]);
    REQUIRE(a.size() == b.size());
    float apart = 0;
    for (std::size_t k = 0; k < a.size(); ++k) apart = std::max(apart, std::abs(a[k] - b[k]));
    CHECK(apart < 5e-3F);
  }
}

TEST_CASE("A batch that is too large for a GPU's memory limit is spoken in smaller ones") {
  if (no_gpu()) return;
  if (flowtts::open_module(flowtts::kCudaModuleFile).is_error()) {
    MESSAGE("skipped: built without CUDA's headers, so that no limit can be set");
    return;
  }
  constexpr std::uint64_t kLimit = 300U << 20U;
  const auto runtime = start_gpu(kLimit);
  const auto binding = runtime->bind(kGpu);
  const auto engine = open(flowtts::testing::default_voice(), kGpu);
  auto* allocator = c10::getDeviceAllocator(c10::DeviceType::CUDA);
  allocator->emptyCache();
  const auto refusals = allocator->getDeviceStats(0).num_ooms;
  const Sentences sentences(200);
  for (const auto& row : engine->synthesize(sentences.inputs)) require_samples(row);
  CHECK(allocator->getDeviceStats(0).num_ooms > refusals);

  CHECK(runtime->start(kGpu, {}).ok());  // without a limit again, for whoever comes next
  const auto unlimited = allocator->getDeviceStats(0).num_ooms;
  for (const auto& row : engine->synthesize(sentences.inputs)) require_samples(row);
  CHECK(allocator->getDeviceStats(0).num_ooms == unlimited);
}

TEST_CASE("A sentence that no memory limit lets through fails alone and the GPU goes on") {
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
  const auto rows = engine->synthesize(inputs);
  CHECK(require_samples(rows[0]) == Samples{1});
  REQUIRE(rows[1].is_error());
  CHECK(rows[1].error().code == "out_of_memory");
  CHECK(rows[1].error().retryable);
  CHECK(require_samples(rows[2]) == Samples{3});
}
