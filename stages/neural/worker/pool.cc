#include "stages/neural/worker/pool.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/config/params.h"

namespace flowtts {
namespace {

/// So often a sentence may be alone with a worker that dies.
constexpr int kDeathsAlone = 2;

}  // namespace

WorkerPool::WorkerPool(WorkerPlan plan, PoolPolicy policy, Words warn)
    : plan_(std::move(plan)), policy_(policy), warn_(std::move(warn)) {
  for (int number = 0; number < std::max(1, policy_.workers); ++number) {
    places_.emplace_back().number = number;
  }
}

Result<std::unique_ptr<WorkerPool>> WorkerPool::open(WorkerPlan plan, PoolPolicy policy,
                                                     Words warn) {
  std::unique_ptr<WorkerPool> pool(new WorkerPool(std::move(plan), policy, std::move(warn)));
  Place& first = pool->places_.front();
  if (const std::uint64_t memory = pool->plan_.voice.worker.memory; memory > 0) {
    const auto free = HostMemory::global().free();
    if (free && *free < memory) {
      return Error{
          "not_enough_memory",
          fmt::format("a worker of the voice '{}' takes {} of host memory, and {} are free: "
                      "use fewer devices or lanes, or another machine",
                      pool->plan_.voice.name, byte_size_text(memory), byte_size_text(*free)),
          false, true};
    }
    first.room = HostMemory::global().take(memory);
  }
  auto worker = Worker::start(pool->plan_, first.number, {});
  if (!worker.ok()) {
    Error failure = worker.error();
    failure.retryable = false;
    failure.fatal = true;
    return failure;
  }
  first.worker = std::move(worker).value();
  first.room.belongs_to(first.worker->id());
  first.state = State::kIdle;
  pool->ready_ = first.worker->ready();
  pool->measured_memory_ = process_memory(first.worker->id()).most;
  pool->keeper_ = std::jthread([of = pool.get()](const std::stop_token& stop) { of->keep(stop); });
  return pool;
}

WorkerPool::~WorkerPool() {
  keeper_.request_stop();
  if (keeper_.joinable()) keeper_.join();
  for (Place& place : places_) {
    if (place.worker) place.worker->begin_close();
  }
}

std::vector<pid_t> WorkerPool::processes() const {
  const std::lock_guard lock(mutex_);
  std::vector<pid_t> all;
  for (const Place& place : places_) {
    if (place.worker) all.push_back(place.worker->id());
  }
  return all;
}

std::uint64_t WorkerPool::restarts() const {
  const std::lock_guard lock(mutex_);
  return restarts_;
}

// --- lanes
// ----------------------------------------------------------------------------------------

std::vector<Result<VoiceSound>> WorkerPool::speak(std::span<WorkerItem> items) {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
    for (WorkerItem& item : items) item.id = next_id_++;
    tell_changed();
  }
  std::vector<std::optional<Result<VoiceSound>>> results(items.size());
  speak_range(items, results, 0);
  std::vector<Result<VoiceSound>> all;
  all.reserve(results.size());
  for (auto& result : results) all.push_back(*std::move(result));
  return all;
}

/// \param deaths_alone of the item, where there is only one.
void WorkerPool::speak_range(std::span<WorkerItem> items,
                             std::span<std::optional<Result<VoiceSound>>> results,
                             int deaths_alone) {
  Place* place = take_idle();
  if (!place) {
    std::fill(results.begin(), results.end(), Result<VoiceSound>(lost()));
    return;
  }
  Worker::Outcome outcome = place->worker->speak(items);
  give_back(*place, outcome);
  for (std::size_t i = 0; i < items.size(); ++i) results[i] = std::move(outcome.answers[i]);
  if (!outcome.end) return;
  if (items.size() == 1) {
    if (results.front()) return;
    if (deaths_alone + 1 < kDeathsAlone) {
      speak_range(items, results, deaths_alone + 1);
    } else {
      Error death = *std::move(outcome.end);
      death.retryable = false;
      death.message = fmt::format("{} times in a row with this sentence alone: {}", kDeathsAlone,
                                  death.message);
      results.front() = Result<VoiceSound>(std::move(death));
    }
    return;
  }
  // What has an answer has left the company; the rest goes in halves.
  std::vector<WorkerItem> left;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (results[i]) continue;
    left.push_back(items[i]);
    places.push_back(i);
  }
  std::vector<std::optional<Result<VoiceSound>>> made(left.size());
  const std::span<WorkerItem> rest(left);
  const std::span made_span(made);
  const std::size_t half = (left.size() + 1) / 2;
  for (const auto& [begin, end] : {std::pair{std::size_t{0}, half}, std::pair{half, left.size()}}) {
    if (begin == end) continue;
    speak_range(rest.subspan(begin, end - begin), made_span.subspan(begin, end - begin), 0);
  }
  for (std::size_t i = 0; i < places.size(); ++i) results[places[i]] = std::move(made[i]);
}

/// Waits for a worker that has nothing to do; null where there will be none.
WorkerPool::Place* WorkerPool::take_idle() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (lost_) return nullptr;
    for (Place& place : places_) {
      if (place.state != State::kIdle) continue;
      place.state = State::kBusy;
      return &place;
    }
    changed_.wait(lock);
  }
}

void WorkerPool::give_back(Place& place, const Worker::Outcome& outcome) {
  std::unique_ptr<Worker> dead;  // goes after the lock
  std::string words;
  bool first_death = false;
  {
    const std::lock_guard lock(mutex_);
    const bool spoke = std::any_of(outcome.answers.begin(), outcome.answers.end(),
                                   [](const auto& answer) { return answer.has_value(); });
    if (spoke) {
      place.failures = 0;
      deaths_ = 0;
    }
    const std::uint64_t most = plan_.voice.worker.recycle_after_items;
    if (outcome.end) {
      dead = std::move(place.worker);
      place.room.reset();
      place.state = State::kWaiting;
      place.due = Clock::now() + delay(++place.failures);
      ++deaths_;
      ++restarts_;
      words = fmt::format("{}/{}: {}; it is started again", plan_.name, place.number,
                          outcome.end->message);
      if (deaths_ >= policy_.most_deaths) {
        lost_ = Error{std::string(kDeviceLostCode),
                      fmt::format("workers of the voice '{}' died {} times in a row without "
                                  "speaking a sentence; the last time: {}",
                                  plan_.voice.name, deaths_, outcome.end->message),
                      false, true};
      }
    } else if (most > 0 && place.worker->spoken() >= most) {
      place.state = State::kWaiting;  // with its worker: the keeper ends it first
      place.due = Clock::now();
    } else {
      place.state = State::kIdle;
    }
    if (outcome.end) first_death = !std::exchange(told_of_death_, true);
    tell_changed();
  }
  if (words.empty()) return;
  if (plan_.log) plan_.log(words);
  if (first_death && warn_) warn_(words + "; of further ones the log tells");
}

Error WorkerPool::lost() const {
  const std::lock_guard lock(mutex_);
  return *lost_;
}

// --- the keeper
// -----------------------------------------------------------------------------------

void WorkerPool::keep(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (Place* place = next_due(lock, stop)) {
    place->state = State::kStarting;
    std::unique_ptr<Worker> old = std::move(place->worker);
    lock.unlock();
    if (old) {
      if (plan_.log) {
        plan_.log(fmt::format("{}/{}: is replaced after {} items", plan_.name, place->number,
                              old->spoken()));
      }
      old.reset();  // its memory, and its card's, is free before another takes its place
      place->room.reset();
    }
    start(*place, stop);
    lock.lock();
  }
}

/// Waits for a place whose worker is to be started; null where the pool ends.
WorkerPool::Place* WorkerPool::next_due(std::unique_lock<std::mutex>& lock,
                                        const std::stop_token& stop) {
  while (!stop.stop_requested() && !lost_) {
    const auto now = Clock::now();
    std::optional<Clock::time_point> next;
    for (Place& place : places_) {
      if (place.state != State::kWaiting || !wanted_) continue;
      if (place.due <= now) return &place;
      next = next ? std::min(*next, place.due) : place.due;
    }
    const auto changed = [this, seen = changes_] { return changes_ != seen; };
    if (next) {
      changed_.wait_until(lock, stop, *next, changed);
    } else {
      changed_.wait(lock, stop, changed);
    }
  }
  return nullptr;
}

void WorkerPool::start(Place& place, const std::stop_token& stop) {
  if (!take_room(place)) return;
  auto worker = Worker::start(plan_, place.number, stop);
  if (!worker.ok()) {
    if (!stop.stop_requested()) failed_start(place, worker.error());
    return;
  }
  place.room.belongs_to((*worker)->id());
  const std::lock_guard lock(mutex_);
  place.worker = std::move(worker).value();
  place.state = State::kIdle;
  place.failed_starts = 0;
  tell_changed();
}

/// Whether there is host memory for one more. The last worker is never given up for want of it.
bool WorkerPool::take_room(Place& place) {
  const std::uint64_t needed =
      plan_.voice.worker.memory > 0 ? plan_.voice.worker.memory : measured_memory_;
  if (needed == 0) return true;
  const std::optional<std::uint64_t> free = HostMemory::global().free();
  std::string words;
  {
    const std::lock_guard lock(mutex_);
    const auto alive = std::count_if(places_.begin(), places_.end(),
                                     [](const Place& one) { return one.worker != nullptr; });
    if (!free || *free >= needed || alive == 0) {
      place.room = HostMemory::global().take(needed);
      return true;
    }
    place.state = State::kGivenUp;
    if (!std::exchange(told_of_memory_, true)) {
      words = fmt::format(
          "{}: {} of {} workers work: each takes {} of host memory, and {} are free", plan_.name,
          alive, places_.size(), byte_size_text(needed), byte_size_text(*free));
    }
  }
  if (!words.empty() && warn_) warn_(words);
  return false;
}

void WorkerPool::failed_start(Place& place, const Error& failure) {
  place.room.reset();
  std::string words =
      fmt::format("{}/{} did not start: {}", plan_.name, place.number, failure.message);
  bool given_up = false;
  {
    const std::lock_guard lock(mutex_);
    ++place.failed_starts;
    given_up = !failure.retryable || place.failed_starts >= policy_.most_failed_starts;
    if (given_up) {
      give_up(place, failure);
      words += "; it is given up";
    } else {
      place.state = State::kWaiting;
      place.due = Clock::now() + delay(++place.failures);
    }
    tell_changed();
  }
  if (plan_.log) plan_.log(words);
  if (given_up && warn_) warn_(words);
}

/// Where it was the last one, the pool is lost. Under the lock.
void WorkerPool::give_up(Place& place, const Error& why) {
  place.state = State::kGivenUp;
  const bool none_left = std::all_of(places_.begin(), places_.end(),
                                     [](const Place& one) { return one.state == State::kGivenUp; });
  if (!none_left) return;
  lost_ = Error{std::string(kDeviceLostCode),
                fmt::format("no worker of the voice '{}' can be started any more: {}",
                            plan_.voice.name, why.message),
                false, true};
}

/// None after a first failure, then the first delay, doubled from then on.
WorkerPool::Clock::duration WorkerPool::delay(int failures) const {
  if (failures <= 1) return Clock::duration::zero();
  std::chrono::milliseconds delay = policy_.first_delay;
  for (int i = 2; i < failures && delay < policy_.longest_delay; ++i) delay *= 2;
  return std::min(delay, policy_.longest_delay);
}

/// Under the lock.
void WorkerPool::tell_changed() {
  ++changes_;
  changed_.notify_all();
}

}  // namespace flowtts
