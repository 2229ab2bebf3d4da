#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

#include <flowtts/result.h>

namespace flowtts {

/// Where lanes wait until all of them are ready: either all start to work or none. For any thread.
class StartGate {
 public:
  explicit StartGate(std::size_t lanes) : awaited_(lanes) {}

  /// Called once for each lane, by it or for it.
  void arrive(std::size_t lane, std::optional<Error> failure);

  /// Waits until every lane has arrived, for so long at the most; whether they have.
  bool wait_for_all(std::chrono::milliseconds at_most);

  /// The failure of the first lane that has one.
  std::optional<Error> failure() const;

  /// Lets the lanes go: to work or home.
  void open(bool work);

  /// A lane's wait: whether it is to work.
  bool wait_open();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t awaited_;
  std::map<std::size_t, Error> failures_;
  std::optional<bool> work_;
};

}  // namespace flowtts
