#pragma once

#include <ATen/core/Tensor.h>

namespace flowtts {

/// A float32 tensor [count] in pinned host memory that belongs to the calling lane; what it held
/// before is lost. Grows as needed and is kept until the lane ends. Only on a thread that a GPU is
/// bound to.
at::Tensor lane_buffer(std::int64_t count);

}  // namespace flowtts
