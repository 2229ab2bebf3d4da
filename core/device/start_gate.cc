#include "core/device/start_gate.h"

#include <utility>

namespace flowtts {

void StartGate::arrive(std::size_t lane, std::optional<Error> failure) {
  const std::lock_guard lock(mutex_);
  if (failure) failures_.emplace(lane, *std::move(failure));
  --awaited_;
  changed_.notify_all();
}

bool StartGate::wait_for_all(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, at_most, [&] { return awaited_ == 0; });
}

std::optional<Error> StartGate::failure() const {
  const std::lock_guard lock(mutex_);
  if (failures_.empty()) return std::nullopt;
  return failures_.begin()->second;
}

void StartGate::open(bool work) {
  const std::lock_guard lock(mutex_);
  work_ = work;
  changed_.notify_all();
}

bool StartGate::wait_open() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return work_.has_value(); });
  return *work_;
}

}  // namespace flowtts
