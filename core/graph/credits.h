#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace flowtts {

/// The bound on what is in flight: so many records, so many payload bytes. Only the reader takes
/// credits and only the reader waits; they come back when records settle and packets end.
///
/// Thread-safe, but for `acquire`: that is the one reader's. Outlives every record and packet of
/// its run. Giving back is a few atomic operations; it takes a lock only to wake the reader. One
/// that waits goes on when an eighth of the records' credits is free, or a millisecond after it
/// could.
class Credits {
 public:
  Credits(int records, std::uint64_t bytes) : max_records_(records), max_bytes_(bytes) {}

  /// Waits until a record of this weight may enter. A record heavier than all bytes together enters
  /// alone. Returns the bytes that it now holds, to be given back by `release_bytes` in parts;
  /// 0 with `granted` false where a stop was requested first.
  std::uint64_t acquire(std::uint64_t bytes, const std::stop_token& stop, bool& granted);

  /// A record is gone, with the bytes that it still held.
  void release_record(std::uint64_t bytes = 0);
  void release_bytes(std::uint64_t bytes);

  struct Use {
    int records = 0;
    std::uint64_t bytes = 0;
    int most_records = 0;
    std::uint64_t most_bytes = 0;
  };
  Use use() const;
  int max_records() const { return max_records_; }
  std::uint64_t max_bytes() const { return max_bytes_; }
  /// Whether the reader waits in `acquire`, as far as can be told from outside.
  bool awaited() const { return awaited_; }

 private:
  bool fits(std::uint64_t weight) const;
  void wake_reader();

  const int max_records_;
  const std::uint64_t max_bytes_;
  // All of these are sequentially consistent: a reader that begins to wait sees what was given back
  // before, or who gives it back sees the reader wait.
  std::atomic<int> records_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<bool> reader_waits_{false};
  std::atomic<bool> awaited_{false};      ///< For who looks; `reader_waits_` flickers.
  std::atomic<std::uint64_t> wanted_{0};  ///< By the reader that waits.
  // The reader's alone to write.
  std::atomic<int> most_records_{0};
  std::atomic<std::uint64_t> most_bytes_{0};

  std::mutex mutex_;
  std::condition_variable_any freed_;
};

}  // namespace flowtts
