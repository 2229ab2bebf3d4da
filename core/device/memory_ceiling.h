#pragma once

#include <cstddef>
#include <mutex>

namespace flowtts {

/// How large batches may be on a device after one did not fit into its memory, measured as rows ×
/// longest length. There is none until that happens; then it is half of what did not fit, is raised
/// by an eighth after every 64 batches that came close to it and went well, and is gone once it has
/// passed all that ever failed. For any thread.
class MemoryCeiling {
 public:
  /// 0: there is none.
  std::size_t value() const;

  void too_large(std::size_t cost);
  void went_well(std::size_t cost);

 private:
  mutable std::mutex mutex_;
  std::size_t value_ = 0;
  std::size_t failed_ = 0;  ///< The largest that did not fit.
  int close_ = 0;           ///< Batches since the last change that came close.
};

}  // namespace flowtts
