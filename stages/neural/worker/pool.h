#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "stages/neural/worker/host_memory.h"
#include "stages/neural/worker/worker.h"

namespace flowtts {

/// How a pool treats workers that die.
struct PoolPolicy {
  int workers = 1;  ///< At the most; fewer where host memory does not suffice.
  std::chrono::milliseconds first_delay{500};  ///< Before the second start in a row; then doubled.
  std::chrono::milliseconds longest_delay{30'000};
  /// After so many deaths in a row, of all workers together, with no item spoken in between, the
  /// pool gives up.
  int most_deaths = 20;
  int most_failed_starts = 5;  ///< In a row, of one worker's place; then the place is given up.
};

/// The workers of a voice on a device, and the supervision of them.
///
/// `open` starts the first worker and waits for it; the others start when the first sentence has
/// come, one after the other, and join in as they are ready. A dead or hung worker is started
/// again, at once after a first death, then ever later. A worker that has done its share of items
/// is replaced.
///
/// Sentences are not lost with their worker: what it had not answered is tried again, in halves, so
/// that the one that kills is found; a sentence that kills twice while alone is the Error of its
/// last death.
///
/// Thread-safe: a lane's call takes whichever worker is free and waits where none is. Must outlive
/// all calls. The destructor ends the processes.
class WorkerPool {
 public:
  using Words = std::function<void(const std::string&)>;

  /// \param warn takes what the user should know at once; any thread.
  static Result<std::unique_ptr<WorkerPool>> open(WorkerPlan plan, PoolPolicy policy, Words warn);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// One result an item, in order. The Error kDeviceLostCode says that no worker can be kept alive.
  std::vector<Result<VoiceSound>> speak(std::span<WorkerItem> items);

  /// What the first worker said of itself.
  const WorkerReady& ready() const { return ready_; }

  /// The processes that live now, for tests and reports.
  std::vector<pid_t> processes() const;
  std::uint64_t restarts() const;

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { kWaiting, kStarting, kIdle, kBusy, kGivenUp };

  /// A worker's place.
  struct Place {
    int number = 0;
    State state = State::kWaiting;
    Clock::time_point due{};  ///< When it may be started.
    int failures = 0;         ///< Deaths and failed starts since it last spoke an item.
    int failed_starts = 0;    ///< In a row.
    HostMemory::Room room;
    std::unique_ptr<Worker> worker;
  };

  WorkerPool(WorkerPlan plan, PoolPolicy policy, Words warn);

  // What lanes do.
  Place* take_idle();
  void give_back(Place& place, const Worker::Outcome& outcome);
  void speak_range(std::span<WorkerItem> items,
                   std::span<std::optional<Result<VoiceSound>>> results, int deaths_alone);
  Error lost() const;

  // What the keeper does.
  void keep(const std::stop_token& stop);
  Place* next_due(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  void start(Place& place, const std::stop_token& stop);
  bool take_room(Place& place);
  void failed_start(Place& place, const Error& failure);
  void give_up(Place& place, const Error& why);
  Clock::duration delay(int failures) const;

  void tell_changed();

  const WorkerPlan plan_;
  const PoolPolicy policy_;
  const Words warn_;
  WorkerReady ready_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t changes_ = 0;
  std::deque<Place> places_;
  bool wanted_ = false;  ///< The first sentence has come.
  int deaths_ = 0;       ///< In a row.
  std::uint64_t restarts_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint64_t measured_memory_ = 0;  ///< Of the first worker.
  bool told_of_memory_ = false;
  bool told_of_death_ = false;
  std::optional<Error> lost_;

  std::jthread keeper_;  ///< Starts workers; ends first.
};

}  // namespace flowtts
