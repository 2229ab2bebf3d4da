#include "stages/io/background_writes.h"

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include "core/exceptions.h"

namespace flowtts {
namespace {

constexpr std::uint64_t kNothing = std::numeric_limits<std::uint64_t>::max();

std::optional<Error> carry_out(const BackgroundWrites::Write& write) {
  try {
    return write();
  } catch (...) {
    return error_from_exception();
  }
}

}  // namespace

BackgroundWrites::~BackgroundWrites() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  added_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::optional<Error> BackgroundWrites::add(std::uint64_t bytes, Write write) {
  {
    std::unique_lock lock(mutex_);
    start_threads();
    done_.wait(lock, [&] { return failure_ || bytes_ == 0 || bytes_ + bytes <= most_bytes_; });
    if (failure_) return failure_;
    if (!threads_.empty()) {
      waiting_.push_back({next_++, bytes, std::move(write)});
      bytes_ += bytes;
    }
  }
  if (write) {  // no thread can be had
    auto failed = carry_out(write);
    const std::lock_guard lock(mutex_);
    if (failed && !failure_) failure_ = std::move(failed);
    return failure_;
  }
  added_.notify_one();
  return std::nullopt;
}

std::optional<Error> BackgroundWrites::wait() {
  std::unique_lock lock(mutex_);
  const std::uint64_t end = next_;
  done_.wait(lock, [&] { return all_done_before(end); });
  return failure_;
}

/// With `mutex_` held.
bool BackgroundWrites::all_done_before(std::uint64_t end) const {
  if (!waiting_.empty() && waiting_.front().number < end) return false;
  return std::ranges::none_of(at_work_, [&](std::uint64_t number) { return number < end; });
}

/// With `mutex_` held.
void BackgroundWrites::start_threads() {
  try {
    at_work_.resize(wanted_threads_, kNothing);
    while (threads_.size() < wanted_threads_) {
      threads_.emplace_back([this, thread = threads_.size()] { work(thread); });
    }
  } catch (const std::system_error&) {
    // Fewer will do.
  }
}

void BackgroundWrites::work(std::size_t thread) {
  std::unique_lock lock(mutex_);
  for (;;) {
    added_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    at_work_[thread] = next.number;
    const bool wanted = !failure_;
    lock.unlock();
    std::optional<Error> failed;
    if (wanted) failed = carry_out(next.write);
    next.write = nullptr;  // what it held goes before its bytes count as free
    lock.lock();
    if (failed && !failure_) failure_ = std::move(failed);
    at_work_[thread] = kNothing;
    bytes_ -= next.bytes;
    done_.notify_all();
  }
}

}  // namespace flowtts
