#include "stages/neural/torch/render_memory.h"

#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "stages/neural/torch/render_shapes.h"

using flowtts::BatchShapes;
using flowtts::DeviceShare;
using flowtts::RenderBudget;

TEST_CASE("longer sentences have fewer rows, a power of two, within the cells") {
  for (const std::size_t max_items : {1U, 8U, 50U, 64U, 128U, 1000U}) {
    for (const std::size_t cells : {std::size_t{64}, std::size_t{4096}, flowtts::kMostCells}) {
      CAPTURE(max_items);
      CAPTURE(cells);
      const BatchShapes shapes = flowtts::render_shapes(DeviceShare{max_items}, cells);
      std::size_t before = 1U << 20U;
      for (std::size_t frames = 1; frames < 5000; frames += 7) {
        const std::size_t rows = shapes.rows(frames);
        CHECK((rows & (rows - 1)) == 0);
        CHECK(rows >= 8);
        CHECK(rows <= before);
        CHECK(rows <= std::max<std::size_t>(8, max_items));
        if (rows > 8) CHECK(rows * shapes.padded(frames) <= cells);
        before = rows;
      }
    }
  }
  const BatchShapes usual = flowtts::render_shapes(DeviceShare{}, flowtts::kMostCells);
  CHECK(usual.rows(256) == 64);
  CHECK(usual.rows(257) == 32);
  CHECK(usual.rows(5000) == 8);
}

TEST_CASE(
    "sentences are planned in larger batches than they are rendered in, the short ones above all") {
  const BatchShapes shapes = flowtts::plan_shapes(DeviceShare{});
  CHECK(shapes.rows(1) == 256);
  CHECK(shapes.rows(64) == 256);
  CHECK(shapes.rows(65) == 128);
  CHECK(shapes.rows(128) == 128);
  CHECK(shapes.rows(129) == 64);
  CHECK(flowtts::plan_shapes(DeviceShare{1}).rows(1) == 32);
}

TEST_CASE("renders wait for their part of the memory, and one that is too large goes alone") {
  RenderBudget budget(100);
  std::atomic<int> inside = 0, most = 0;
  std::vector<std::jthread> lanes;
  for (int lane = 0; lane < 4; ++lane) {
    lanes.emplace_back([&, lane] {
      for (int i = 0; i < 200; ++i) {
        const RenderBudget::Part part(budget, lane == 3 ? 1000 : 40);
        const int now = inside += lane == 3 ? 100 : 40;
        most = std::max(most.load(), now);
        std::this_thread::yield();
        inside -= lane == 3 ? 100 : 40;
      }
    });
  }
  lanes.clear();
  CHECK(most <= 100);
}
