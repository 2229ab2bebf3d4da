#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

/// Writes on threads of its own, so that a stage which must take its records one after another need
/// not wait for each of them to be copied into the system's memory. In no order: each piece of work
/// knows its own place.
///
/// `add` from one thread, `wait` from any. The threads come with the first piece of work.
/// Destroyed, it first does all that has been added.
///
/// The first failure stays: from then on nothing more is written, and every call returns it. What
/// `wait` has not returned well for is not written.
class BackgroundWrites {
 public:
  using Write = std::function<std::optional<Error>()>;

  /// \param most_bytes that may wait; more only where one piece of work alone is larger.
  BackgroundWrites(std::size_t threads, std::uint64_t most_bytes)
      : wanted_threads_(threads), most_bytes_(most_bytes) {}
  ~BackgroundWrites();
  BackgroundWrites(const BackgroundWrites&) = delete;
  BackgroundWrites& operator=(const BackgroundWrites&) = delete;

  /// Hands work over, which holds what it needs; waits while too much is waiting.
  /// \param bytes that it writes.
  std::optional<Error> add(std::uint64_t bytes, Write write);

  /// Waits until all that was added before the call is done.
  std::optional<Error> wait();

 private:
  struct Waiting {
    std::uint64_t number;
    std::uint64_t bytes;
    Write write;
  };

  void start_threads();
  void work(std::size_t thread);
  bool all_done_before(std::uint64_t end) const;

  const std::size_t wanted_threads_;
  const std::uint64_t most_bytes_;

  std::mutex mutex_;
  std::condition_variable added_;
  std::condition_variable done_;
  std::deque<Waiting> waiting_;
  std::vector<std::uint64_t> at_work_;  ///< By thread: the number of what it writes, or kNothing.
  std::uint64_t next_ = 0;
  std::uint64_t bytes_ = 0;  ///< Of what waits or is being written.
  bool ending_ = false;
  std::optional<Error> failure_;
  std::vector<std::thread> threads_;
};

}  // namespace flowtts
