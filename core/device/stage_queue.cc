#include "core/device/stage_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace flowtts {
namespace {

using Clock = std::chrono::steady_clock;

Clock::duration wait_of(const BatchPolicy& policy) {
  constexpr double kLongest = 1e9;  // Eleven days; the clock would overflow with 1e300.
  const double milliseconds = policy.max_wait_ms > 0 ? std::min(policy.max_wait_ms, kLongest) : 0;
  return std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double, std::milli>(milliseconds));
}

}  // namespace

StageQueue::StageQueue(const BatchPolicy& policy)
    : queue_(wait_of(policy)), smallest_{policy.max_items, policy.max_length} {}

bool StageQueue::push(std::size_t length, DeviceJob& job) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  const bool first = queue_.empty();
  queue_.push(length, Clock::now(), std::move(job));
  // The first job starts the clock for all that wait. After it there is nothing to wake for as long
  // as no batch can be full.
  if (waiting_ > 0 && (first || flushed_ || queue_.may_be_full(smallest_))) changed_.notify_all();
  return true;
}

std::optional<Batch> StageQueue::take(const BatchLimits& limits) {
  std::unique_lock lock(mutex_);
  smallest_.max_items = std::min(smallest_.max_items, limits.max_items);
  while (!closed_) {
    if (auto batch = queue_.take(limits, Clock::now(), flushed_)) return batch;
    const auto due = queue_.next_due();
    ++waiting_;
    if (due) {
      changed_.wait_until(lock, *due);
    } else {
      changed_.wait(lock);
    }
    --waiting_;
  }
  return std::nullopt;
}

void StageQueue::flush() {
  const std::lock_guard lock(mutex_);
  flushed_ = true;
  changed_.notify_all();
}

std::vector<DeviceJob> StageQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
  return queue_.take_all();
}

std::size_t StageQueue::size() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace flowtts
