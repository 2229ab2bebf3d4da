#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace flowtts {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What happens at one stage. Thread-safe; written by the stage's threads, read by the monitor.
class StageStats {
 public:
  /// Marks an item as being worked on from construction to destruction.
  class Working {
   public:
    /// \param record_id which record, for the watchdog.
    Working(StageStats& stats, const std::string& record_id) : stats_(stats) {
      const std::lock_guard lock(stats_.mutex_);
      stats_.active_.push_back({this, Clock::now(), record_id});
    }
    ~Working() {
      const std::lock_guard lock(stats_.mutex_);
      for (Active& active : stats_.active_) {
        if (active.by != this) continue;
        stats_.busy_seconds_ += seconds_since(active.since);
        active = stats_.active_.back();
        stats_.active_.pop_back();
        return;
      }
    }
    Working(const Working&) = delete;
    Working& operator=(const Working&) = delete;

   private:
    StageStats& stats_;
  };

  /// All that is being worked on makes progress: its age begins anew.
  void touch() {
    const std::lock_guard lock(mutex_);
    const Clock::time_point now = Clock::now();
    for (Active& active : active_) {
      busy_seconds_ += std::chrono::duration<double>(now - active.since).count();
      active.since = now;
    }
  }

  struct Oldest {
    double seconds = 0;
    std::string record_id;
  };

  void add_queued(std::int64_t count) {
    const std::int64_t now = queued_.fetch_add(count) + count;
    std::int64_t most = queued_most_.load();
    while (now > most && !queued_most_.compare_exchange_weak(most, now)) {
    }
  }
  std::int64_t queued() const { return queued_.load(); }
  std::int64_t queued_most() const { return queued_most_.load(); }

  double busy_seconds() const {
    const std::lock_guard lock(mutex_);
    return busy_seconds_;
  }
  /// The item that has been worked on longest, if any.
  std::optional<Oldest> oldest() const {
    const std::lock_guard lock(mutex_);
    const Active* first = nullptr;
    for (const Active& active : active_) {
      if (!first || active.since < first->since) first = &active;
    }
    if (!first) return std::nullopt;
    return Oldest{seconds_since(first->since), first->record_id};
  }

  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> made{0};
  std::atomic<std::uint64_t> filtered{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> retried{0};

 private:
  struct Active {
    const Working* by = nullptr;
    Clock::time_point since;
    std::string record_id;
  };

  mutable std::mutex mutex_;
  std::vector<Active> active_;
  double busy_seconds_ = 0;
  std::atomic<std::int64_t> queued_{0};
  std::atomic<std::int64_t> queued_most_{0};
};

}  // namespace flowtts
