#include "core/graph/credits.h"

#include <algorithm>
#include <chrono>

namespace flowtts {
namespace {

/// How long a reader that could go on may be left waiting for more credits to come back.
constexpr auto kPatience = std::chrono::milliseconds(1);

}  // namespace

bool Credits::fits(std::uint64_t weight) const {
  return records_ < max_records_ && bytes_ + weight <= max_bytes_;
}

std::uint64_t Credits::acquire(std::uint64_t bytes, const std::stop_token& stop, bool& granted) {
  const std::uint64_t weight = std::min(std::max<std::uint64_t>(bytes, 1), max_bytes_);
  if (!fits(weight)) {
    std::unique_lock lock(mutex_);
    wanted_ = weight;
    awaited_ = true;
    const auto may_go_on = [&] {
      reader_waits_ = true;  // before it looks: see the declaration
      return fits(weight);
    };
    while (!freed_.wait_for(lock, stop, kPatience, may_go_on)) {
      if (stop.stop_requested()) break;
    }
    reader_waits_ = false;
    awaited_ = false;
  }
  granted = !stop.stop_requested();  // credits that come back too late are not taken
  if (!granted) return 0;
  const int records = records_ += 1;
  if (records > most_records_) most_records_ = records;
  const std::uint64_t in_flight = bytes_ += weight;
  if (in_flight > most_bytes_) most_bytes_ = in_flight;
  return weight;
}

void Credits::release_record(std::uint64_t bytes) {
  if (bytes > 0) bytes_ -= bytes;
  records_ -= 1;
  wake_reader();
}

void Credits::release_bytes(std::uint64_t bytes) {
  if (bytes == 0) return;
  bytes_ -= bytes;
  wake_reader();
}

void Credits::wake_reader() {
  if (!reader_waits_ || !fits(wanted_)) return;
  // A run that is bound by its work would otherwise wake the reader for each record.
  if (max_records_ - records_ < max_records_ / 8) return;
  if (!reader_waits_.exchange(false)) return;  // somebody else wakes it
  { const std::lock_guard lock(mutex_); }
  freed_.notify_one();
}

Credits::Use Credits::use() const { return {records_, bytes_, most_records_, most_bytes_}; }

}  // namespace flowtts
