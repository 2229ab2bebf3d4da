#include "core/device/memory_ceiling.h"

#include <algorithm>

namespace flowtts {
namespace {

constexpr int kBatchesBeforeRaise = 64;

}  // namespace

std::size_t MemoryCeiling::value() const {
  const std::lock_guard lock(mutex_);
  return value_;
}

void MemoryCeiling::too_large(std::size_t cost) {
  const std::lock_guard lock(mutex_);
  failed_ = std::max(failed_, cost);
  const std::size_t half = std::max<std::size_t>(1, cost / 2);
  value_ = value_ == 0 ? half : std::min(value_, half);
  close_ = 0;
}

void MemoryCeiling::went_well(std::size_t cost) {
  const std::lock_guard lock(mutex_);
  if (value_ == 0 || cost < value_ / 2 || ++close_ < kBatchesBeforeRaise) return;
  close_ = 0;
  value_ += std::max<std::size_t>(1, value_ / 8);
  if (value_ > failed_) value_ = failed_ = 0;
}

}  // namespace flowtts
