#include "stages/neural/torch/render_shapes.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace flowtts {
namespace {

constexpr std::size_t kTokenStep = 8;
constexpr std::size_t kFewestRows = 8;
constexpr std::size_t kAnyLength = std::numeric_limits<std::size_t>::max();

}  // namespace

BatchShapes token_shapes(const DeviceShare& share) {
  const std::size_t rows = std::max(kFewestRows, std::bit_floor(share.max_items));
  return {kTokenStep, {{kAnyLength, rows}}};
}

BatchShapes plan_shapes(const DeviceShare& share) {
  const std::size_t rows = std::max(kFewestRows, std::bit_floor(share.max_items));
  return {kTokenStep, {{64, 4 * rows}, {128, 2 * rows}, {kAnyLength, rows}}};
}

BatchShapes render_shapes(const DeviceShare& share, std::size_t most_cells) {
  const auto step = static_cast<std::size_t>(kFrameStep);
  BatchShapes shapes{step, {}};
  std::size_t rows = std::max(kFewestRows, std::bit_floor(share.max_items));
  while (rows > kFewestRows && rows * step > most_cells) rows /= 2;
  for (; rows > kFewestRows; rows /= 2) {
    shapes.classes.push_back({most_cells / rows / step * step, rows});
  }
  shapes.classes.push_back({kAnyLength, kFewestRows});
  return shapes;
}

}  // namespace flowtts
