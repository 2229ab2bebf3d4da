#pragma once

#include <deque>
#include <utility>

#include <oneapi/tbb/spin_mutex.h>

#include "core/graph/record.h"

namespace flowtts {

/// The places of a stage that works on a limited number of packets at once. A packet that finds all
/// of them taken waits here, and is given the place of one that leaves, first come, first served.
/// No thread waits for a place: it leaves the packet here and turns to something else.
///
/// Thread-safe. All that was done with a packet before it left comes before what is done with the
/// one that has its place afterwards.
class Admission {
 public:
  explicit Admission(int places) : free_(places) {}

  /// \return whether the packet may be worked on; otherwise it has been taken over, and waits.
  bool enter(PacketPtr& packet) {
    const oneapi::tbb::spin_mutex::scoped_lock lock(mutex_);
    if (free_ > 0) {
      free_ -= 1;
      return true;
    }
    waiting_.push_back(std::move(packet));
    return false;
  }

  /// A packet that had a place has been worked on.
  /// \return the one that has its place now: it is to be worked on, and to leave. Null where none
  /// waits.
  PacketPtr leave() {
    const oneapi::tbb::spin_mutex::scoped_lock lock(mutex_);
    if (waiting_.empty()) {
      free_ += 1;
      return nullptr;
    }
    PacketPtr next = std::move(waiting_.front());
    waiting_.pop_front();
    return next;
  }

 private:
  oneapi::tbb::spin_mutex mutex_;  // held for some instructions
  int free_;
  std::deque<PacketPtr> waiting_;
};

}  // namespace flowtts
