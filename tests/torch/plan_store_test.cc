#include "stages/neural/torch/plan_store.h"

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "stages/neural/torch/voice_batch.h"
#include "tests/torch/gpu.h"

namespace {

using flowtts::PlanPages;
using flowtts::PlanStore;
using Sentences = std::vector<std::shared_ptr<const PlanPages>>;

constexpr std::int64_t kWidth = 5;

/// Rows of made-up tables, each number of its own.
at::Tensor tables_from(std::int64_t first, std::int64_t rows, std::int64_t tokens) {
  const std::int64_t count = rows * tokens * kWidth;
  return at::arange(first, first + count, at::kFloat).view({rows, tokens, kWidth});
}

/// What the store has of a sentence, read line by line.
at::Tensor read(const PlanPages& pages) {
  std::vector<std::int64_t> lines;
  for (std::int64_t token = 0; token < pages.tokens(); ++token) lines.push_back(pages.line(token));
  return pages.store().lines().index_select(0, at::tensor(lines, at::kLong));
}

Sentences keep(PlanStore& store, const at::Tensor& tables,
               const std::vector<std::int64_t>& tokens) {
  return store.keep(tables, tokens).sentences;
}

}  // namespace

TEST_CASE("Sentences of all lengths come back as they were kept, also where the store grows") {
  for (const std::int64_t room : {1, 100, 10'000}) {
    CAPTURE(room);
    const auto store = PlanStore::make(at::kCPU, kWidth, room);
    const std::vector<std::int64_t> tokens{1, 7, 8, 9, 16, 20};
    const at::Tensor first = tables_from(0, 8, 20);  // two rows more than sentences
    const at::Tensor second = tables_from(5000, 6, 23);
    const Sentences a = keep(*store, first, tokens);
    const Sentences b = keep(*store, second, tokens);
    REQUIRE(a.size() == tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      CAPTURE(tokens[i]);
      const auto row = static_cast<std::int64_t>(i);
      CHECK(a[i]->tokens() == tokens[i]);
      CHECK(at::equal(read(*a[i]), first[row].narrow(0, 0, tokens[i])));
      CHECK(at::equal(read(*b[i]), second[row].narrow(0, 0, tokens[i])));
    }
    CHECK(at::equal(store->lines()[0], at::zeros({kWidth})));
  }
}

TEST_CASE(
    "Pages are used again once nobody holds them: a long run takes no more than a short one") {
  const auto store = PlanStore::make(at::kCPU, kWidth, 64 * 30);
  std::mt19937 random(7);
  Sentences held;
  for (int round = 0; round < 500; ++round) {
    std::vector<std::int64_t> tokens;
    for (int i = 0; i < 8; ++i) tokens.push_back(1 + static_cast<std::int64_t>(random() % 30));
    for (auto& pages : keep(*store, tables_from(round, 8, 32), tokens)) held.push_back(pages);
    while (held.size() > 40) {  // in any order
      std::swap(held[random() % held.size()], held.back());
      held.pop_back();
    }
  }
  CHECK(store->room() == 64 * 30);
  held.clear();
  CHECK(keep(*store, tables_from(0, 64, 30), std::vector<std::int64_t>(60, 30)).size() == 60);
  CHECK(store->room() == 64 * 30);
}

TEST_CASE("Several threads keep and read sentences while the store grows") {
  const auto store = PlanStore::make(at::kCPU, kWidth, 8);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::pair<Sentences, at::Tensor>> mine;
      for (int round = 0; round < 40; ++round) {
        const at::Tensor tables = tables_from(100'000 * t + 1000 * round, 3, 17);
        mine.emplace_back(keep(*store, tables, {5, 17, 8}), tables);
        for (const auto& [sentences, kept] : mine) {
          for (std::int64_t i = 0; i < 3; ++i) {
            const PlanPages& pages = *sentences[static_cast<std::size_t>(i)];
            if (!at::equal(read(pages), kept[i].narrow(0, 0, pages.tokens()))) ++wrong;
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("A batch of plans may come from two stores, as after a stage was loaded anew") {
  std::vector<at::Device> devices{at::kCPU};
  std::shared_ptr<flowtts::DeviceRuntime> runtime;
  if (!flowtts::testing::no_gpu()) {
    runtime = flowtts::testing::start_gpu();
    devices.emplace_back(at::kCUDA, 0);
  }
  for (const at::Device device : devices) {
    CAPTURE(device.str());
    const auto older = PlanStore::make(device, kWidth, 100);
    const auto newer = PlanStore::make(device, kWidth, 100);
    const at::Tensor tables = tables_from(0, 4, 9);
    const std::vector<std::int64_t> tokens{9, 4, 6, 1};
    const Sentences a = keep(*older, tables.to(device), tokens);
    const Sentences b = keep(*newer, tables.to(device), tokens);
    std::vector<flowtts::TorchPlan> plans(4);
    std::vector<const flowtts::VoicePlan*> batch;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      plans[i].pages = i % 3 == 0 ? a[i] : b[i];
      plans[i].frames = 10 + i;
      plans[i].speaker = static_cast<std::int64_t>(i);
      batch.push_back(&plans[i]);
    }
    const flowtts::PlanBatch made = flowtts::make_plan_batch(batch, 6, 8, device);
    REQUIRE(made.h.sizes() == at::IntArrayRef{6, kWidth - 1, 16});
    for (std::int64_t row = 0; row < 6; ++row) {
      CAPTURE(row);
      const std::int64_t from = std::min<std::int64_t>(row, 3);
      at::Tensor expected = at::zeros({16, kWidth});
      const std::int64_t count = tokens[static_cast<std::size_t>(from)];
      expected.narrow(0, 0, count).copy_(tables[from].narrow(0, 0, count));
      CHECK(at::equal(made.h[row].cpu(), expected.narrow(1, 0, kWidth - 1).t()));
      CHECK(at::equal(made.durations[row].cpu(), expected.select(1, kWidth - 1)));
      CHECK(made.token_lengths[row].item<std::int64_t>() == count);
      CHECK(made.speakers[row].item<std::int64_t>() == from);
      CHECK(made.frame_lengths[row].item<std::int64_t>() == 10 + from);
    }
  }
}
