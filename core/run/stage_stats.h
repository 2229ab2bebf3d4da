#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace flowtts {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What happens at one stage. Thread-safe; written by the stage's threads, read by the monitor.
///
/// Every item goes through here, so there is nothing that the stage's threads share: each that is
/// at work holds a desk of its own, a cache line with its clock and its counters.
class StageStats {
  struct Desk;

 public:
  /// \param threads how many at once work at the stage at the most.
  explicit StageStats(int threads)
      : desk_count_(static_cast<std::size_t>(threads)),
        desks_(std::make_unique<Desk[]>(desk_count_)) {}

  /// Marks an item as being worked on from construction to `end`, or destruction.
  class Working {
   public:
    /// \param record_id which record, for the watchdog; outlives this.
    /// \param since     when the work began, by a clock that has been read already.
    /// \param thread    at which desk to look first: threads with numbers of their own do not meet.
    Working(StageStats& stats, const std::string& record_id, Clock::time_point since = Clock::now(),
            std::size_t thread = 0)
        : desk_(&stats.take_desk(thread)) {
      desk_->since = since;
      desk_->record_id = &record_id;
      desk_->leave_as(kActive);
    }
    ~Working() {
      if (desk_) end();
    }
    Working(const Working&) = delete;
    Working& operator=(const Working&) = delete;

    void add_received() { add(desk_->received, 1); }
    void add_made(std::uint64_t items) { add(desk_->made, items); }
    /// \return the time, at which the same thread may begin with something else.
    Clock::time_point end() {
      const Clock::time_point now = Clock::now();
      while (!desk_->hold(kActive)) std::this_thread::yield();
      desk_->add_busy(now);
      desk_->leave_as(kFree);
      desk_ = nullptr;
      return now;
    }

   private:
    /// Nobody else writes to the desk meanwhile, so that this need be no atomic addition.
    static void add(std::atomic<std::uint64_t>& count, std::uint64_t more) {
      count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }

    Desk* desk_;
  };

  /// All that is being worked on makes progress: its age begins anew.
  void touch() {
    const Clock::time_point now = Clock::now();
    for (std::size_t i = 0; i < desk_count_; ++i) {
      if (!desks_[i].hold(kActive)) continue;
      desks_[i].add_busy(now);
      desks_[i].since = now;
      desks_[i].leave_as(kActive);
    }
  }

  /// Of items that no thread is at work on here, as those of devices; not while one is at work.
  void add_received() { desks_[0].received.fetch_add(1, std::memory_order_relaxed); }
  void add_made() { desks_[0].made.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t received() const { return sum(&Desk::received); }
  std::uint64_t made() const { return sum(&Desk::made); }

  struct Oldest {
    double seconds = 0;
    std::string record_id;
  };

  /// Items wait before the stage, or no longer do. Those of a device stage wait until it has done
  /// with them; elsewhere those that are worked on do not wait.
  void add_queued(std::int64_t count) {
    const std::int64_t now = queued_.fetch_add(count) + count;
    std::int64_t most = queued_most_.load();
    while (now > most && !queued_most_.compare_exchange_weak(most, now)) {
    }
  }
  std::int64_t queued() const { return queued_.load(); }
  std::int64_t queued_most() const { return queued_most_.load(); }
  /// How many threads are at work here.
  int working() const {
    int working = 0;
    for (std::size_t i = 0; i < desk_count_; ++i) working += desks_[i].taken() ? 1 : 0;
    return working;
  }
  /// How many can be at once.
  int threads() const { return static_cast<int>(desk_count_); }
  /// Grows whenever anything happens here.
  std::uint64_t events() const { return received() + made() + filtered + failed + retried; }

  double busy_seconds() const {
    Clock::duration busy{0};
    for (std::size_t i = 0; i < desk_count_; ++i) {
      busy += Clock::duration(desks_[i].busy.load(std::memory_order_relaxed));
    }
    return std::chrono::duration<double>(busy).count();
  }
  /// The item that has been worked on longest, if any.
  std::optional<Oldest> oldest() const {
    const Clock::time_point now = Clock::now();
    std::optional<Oldest> oldest;
    for (std::size_t i = 0; i < desk_count_; ++i) {
      if (!desks_[i].hold(kActive)) continue;
      const LeaveActive leave{desks_[i]};  // also where there is no memory for a copy
      const double seconds =
          std::max(0.0, std::chrono::duration<double>(now - desks_[i].since).count());
      if (!oldest || seconds > oldest->seconds) oldest = {seconds, *desks_[i].record_id};
    }
    return oldest;
  }

  std::atomic<std::uint64_t> filtered{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> retried{0};
  std::atomic<std::uint64_t> retakes{0};

 private:
  enum DeskState : int { kFree, kActive, kHeld };

  /// One thread's place. Whoever has brought it from free or active to held may read and write it,
  /// for some instructions: the thread itself, or one that looks at what it does.
  struct alignas(64) Desk {  // a cache line each
    std::atomic<int> state{kFree};
    Clock::time_point since;
    const std::string* record_id = nullptr;
    // Read by anyone at any time.
    std::atomic<Clock::rep> busy{0};
    std::atomic<std::uint64_t> received{0};
    std::atomic<std::uint64_t> made{0};

    bool hold(DeskState from) {
      int expected = from;
      return state.load(std::memory_order_relaxed) == from &&
             state.compare_exchange_strong(expected, kHeld, std::memory_order_acquire);
    }
    bool taken() const { return state.load(std::memory_order_relaxed) != kFree; }
    void leave_as(DeskState to) { state.store(to, std::memory_order_release); }
    void add_busy(Clock::time_point now) {
      const Clock::rep sum = busy.load(std::memory_order_relaxed) + (now - since).count();
      busy.store(sum, std::memory_order_relaxed);
    }
  };

  struct LeaveActive {
    Desk& desk;
    ~LeaveActive() { desk.leave_as(kActive); }
  };

  /// A free desk, held. There is one, after a moment at the most: see the constructor.
  Desk& take_desk(std::size_t thread) {
    const std::size_t first = thread < desk_count_ ? thread : 0;
    while (true) {
      for (std::size_t i = first; i < desk_count_; ++i) {
        if (desks_[i].hold(kFree)) return desks_[i];
      }
      for (std::size_t i = 0; i < first; ++i) {
        if (desks_[i].hold(kFree)) return desks_[i];
      }
      std::this_thread::yield();
    }
  }

  std::uint64_t sum(std::atomic<std::uint64_t> Desk::*count) const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < desk_count_; ++i) {
      sum += (desks_[i].*count).load(std::memory_order_relaxed);
    }
    return sum;
  }

  const std::size_t desk_count_;
  const std::unique_ptr<Desk[]> desks_;
  alignas(64) std::atomic<std::int64_t> queued_{0};  // the stage before writes it as well
  std::atomic<std::int64_t> queued_most_{0};
};

}  // namespace flowtts
