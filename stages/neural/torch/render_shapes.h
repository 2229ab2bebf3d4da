#pragma once

#include <cstddef>
#include <cstdint>

#include <flowtts/device.h>

namespace flowtts {

inline constexpr std::int64_t kFrameStep = 8;

/// The most rows × frames of one call of `render` on a GPU: 64 sentences of 2.5 s, 32 of 5 s. Twice
/// as many take twice the memory and are 2% faster on an H200, where another lane is 9% faster; at
/// four times as many cuDNN took a kernel with a workspace of 22 GB, which rounded otherwise.
inline constexpr std::size_t kMostCells = 16'384;

/// The shapes of a batch by tokens for a voice in one part: the rows that the pipeline asks for.
BatchShapes token_shapes(const DeviceShare& share);

/// The shapes of a batch by tokens that is only planned: four times as many rows, since a plan's
/// many small kernels take about as long to launch as to run; fewer for longer sentences, down to
/// those that the pipeline asks for.
BatchShapes plan_shapes(const DeviceShare& share);

/// The shapes of a batch by frames: the rows that the pipeline asks for, a power of two, as long as
/// rows × frames stay within `most_cells`; half of them for sentences of up to twice the length,
/// and so on, but not fewer than 8, since below that libraries choose other kernels.
BatchShapes render_shapes(const DeviceShare& share, std::size_t most_cells);

}  // namespace flowtts
