#include "core/graph/credits.h"

#include <algorithm>

namespace flowtts {

std::uint64_t Credits::acquire(std::uint64_t bytes, const std::stop_token& stop, bool& granted) {
  const std::uint64_t weight = std::min(std::max<std::uint64_t>(bytes, 1), max_bytes_);
  std::unique_lock lock(mutex_);
  granted = freed_.wait(
      lock, stop, [&] { return use_.records < max_records_ && use_.bytes + weight <= max_bytes_; });
  granted = granted && !stop.stop_requested();  // credits that come back too late are not taken
  if (!granted) return 0;
  use_.records += 1;
  use_.bytes += weight;
  use_.most_records = std::max(use_.most_records, use_.records);
  use_.most_bytes = std::max(use_.most_bytes, use_.bytes);
  return weight;
}

void Credits::release_record(std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    use_.records -= 1;
    use_.bytes -= bytes;
  }
  freed_.notify_one();
}

void Credits::release_bytes(std::uint64_t bytes) {
  if (bytes == 0) return;
  {
    const std::lock_guard lock(mutex_);
    use_.bytes -= bytes;
  }
  freed_.notify_one();
}

Credits::Use Credits::use() const {
  const std::lock_guard lock(mutex_);
  return use_;
}

}  // namespace flowtts
