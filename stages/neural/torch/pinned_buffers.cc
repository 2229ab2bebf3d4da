#include "stages/neural/torch/pinned_buffers.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <ATen/ATen.h>

namespace flowtts {

at::Tensor new_pinned(std::int64_t bytes) {
  constexpr std::int64_t kLeast = 16 << 20;  // most batches; making one takes milliseconds
  return at::empty({std::max(kLeast, bytes + bytes / 2)},
                   at::TensorOptions().dtype(at::kByte).pinned_memory(true));
}

std::shared_ptr<at::Tensor> PinnedBuffers::take(std::int64_t bytes) {
  while (buffers_.size() < kMost) {
    buffers_.push_back(std::make_shared<at::Tensor>(new_pinned(bytes)));
  }
  for (const auto& buffer : buffers_) {
    if (buffer.use_count() > 1) continue;
    // Whoever let go of it last has read what is now written over.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (buffer->numel() < bytes) *buffer = new_pinned(bytes);
    return buffer;
  }
  return nullptr;
}

void PinnedBuffers::abandon() {
  static_cast<void>(new std::vector<std::shared_ptr<at::Tensor>>(std::move(buffers_)));
}

}  // namespace flowtts
