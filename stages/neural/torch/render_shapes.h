#pragma once

#include <cstddef>
#include <cstdint>

#include <flowtts/device.h>

namespace flowtts {

inline constexpr std::int64_t kFrameStep = 8;

/// The most rows × frames of one call of `render` on a GPU: 64 sentences of 5 s. At twice as many
/// cuDNN took a kernel with a workspace of 22 GB on an H200, which was no faster and rounded
/// otherwise; a compiled render part takes twice the memory and is a few percent faster.
inline constexpr std::size_t kMostCells = 32'768;

/// The shapes of a batch by tokens: the rows that the pipeline asks for.
BatchShapes token_shapes(const DeviceShare& share);

/// The shapes of a batch by frames: the rows that the pipeline asks for, a power of two, as long as
/// rows × frames stay within `most_cells`; half of them for sentences of up to twice the length,
/// and so on, but not fewer than 8, since below that libraries choose other kernels.
BatchShapes render_shapes(const DeviceShare& share, std::size_t most_cells);

}  // namespace flowtts
