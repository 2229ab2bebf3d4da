#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace flowtts {

/// The bound on what is in flight: so many records, so many payload bytes. Only the reader takes
/// credits and only the reader waits; they come back when records settle and packets end.
///
/// Thread-safe. Outlives every record and packet of its run.
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

 private:
  const int max_records_;
  const std::uint64_t max_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable_any freed_;
  Use use_;
};

}  // namespace flowtts
