#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

namespace flowtts {

/// Pinned host memory that batches come home into and their sounds stay in, so that nothing is
/// copied again and no fresh memory is touched. A lane has a few such buffers and uses each again
/// when no sound of its last batch is left. `take` is for the lane's thread; who holds a buffer may
/// let go of it on any. All are made at the first call: a long run takes no more than a short one.
class PinnedBuffers {
 public:
  /// How many a lane has.
  static constexpr std::size_t kMost = 4;

  /// A buffer of at least so many bytes that nobody holds, to be written to; null where all are
  /// held. Throws c10::Error where there is no memory for it.
  std::shared_ptr<at::Tensor> take(std::int64_t bytes);

  /// Keeps all for the life of the process: they cannot be given back to a device that is lost.
  void abandon();

 private:
  std::vector<std::shared_ptr<at::Tensor>> buffers_;
};

/// Pinned memory, `bytes` of it or more.
at::Tensor new_pinned(std::int64_t bytes);

}  // namespace flowtts
