#pragma once

#include <deque>
#include <mutex>
#include <utility>

namespace flowtts {

/// Keeps an object for the life of the process, in a list that is never destroyed: for what a
/// thread that does not come back still refers to, and what a library must not be asked to free.
template <class T>
void keep_for_ever(T object) {
  static std::mutex mutex;
  static auto* const kept = new std::deque<T>;
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(object));
}

}  // namespace flowtts
