#include "stages/neural/torch/pinned_buffers.h"

#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "tests/torch/gpu.h"

using flowtts::PinnedBuffers;

TEST_CASE("A pinned buffer is used again once nobody holds it, and no more than a few are held") {
  if (flowtts::testing::no_gpu()) return;
  const auto runtime = flowtts::testing::start_gpu();
  PinnedBuffers buffers;
  std::vector<std::shared_ptr<at::Tensor>> held;
  std::set<const void*> places;
  for (std::size_t i = 0; i < PinnedBuffers::kMost; ++i) {
    held.push_back(buffers.take(1000));
    REQUIRE(held.back() != nullptr);
    CHECK(held.back()->numel() >= 1000);
    CHECK(held.back()->is_pinned());
    places.insert(held.back()->const_data_ptr());
  }
  CHECK(places.size() == PinnedBuffers::kMost);
  CHECK(buffers.take(1000) == nullptr);
  held.pop_back();
  const auto again = buffers.take(1000);
  REQUIRE(again != nullptr);
  CHECK(places.contains(again->const_data_ptr()));
  CHECK(buffers.take(1000) == nullptr);
  held.pop_back();
  const auto larger = buffers.take(40 << 20);
  REQUIRE(larger != nullptr);
  CHECK(larger->numel() >= 40 << 20);
}
