#include "core/device/stage_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace flowtts {
namespace {

using Clock = std::chrono::steady_clock;

Clock::duration wait_of(const BatchPolicy& policy) {
  constexpr double kLongest = 1e9;  // Eleven days; the clock would overflow with 1e300.
  const double milliseconds = policy.max_wait_ms > 0 ? std::min(policy.max_wait_ms, kLongest) : 0;
  return std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double, std::milli>(milliseconds));
}

}  // namespace

StageQueue::StageQueue(const BatchPolicy& policy, std::size_t devices)
    : waiting_for_first_(wait_of(policy)), asked_(devices) {
  BatchLimits any;
  any.max_items = std::max<std::size_t>(1, policy.max_items);
  any.max_length = policy.max_length;
  std::fill(asked_.begin(), asked_.end(), any);
  for (std::size_t i = 0; i < devices; ++i) devices_.emplace_back(BatchQueue(wait_of(policy)));
}

bool StageQueue::push(LaneJob& job) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  const bool first = waiting_for_first_.empty();
  const std::size_t length = job.length;
  waiting_for_first_.push(length, Clock::now(), std::move(job));
  if (waiting_ == 0) return true;
  // The first job starts the clock for all that wait. After it there is nothing to wake for as long
  // as no batch can be full.
  const auto may_be_full = [this](const BatchLimits& limits) {
    return waiting_for_first_.may_be_full(limits);
  };
  if (first || flushed_ || std::any_of(asked_.begin(), asked_.end(), may_be_full)) {
    changed_.notify_all();
  }
  return true;
}

Batch StageQueue::take_alone(std::deque<Alone>& from, const BatchLimits& limits,
                             BatchQueue::Time now) {
  Alone one = std::move(from.front());
  from.pop_front();
  Batch batch;
  batch.length = one.length;
  batch.longest = limits.shapes.padded(one.length);
  batch.rows = limits.shapes.rows(one.length) > 0 ? limits.rows(one.length) : 1;
  batch.waited_s = std::chrono::duration<double>(now - one.arrival).count();
  batch.jobs.push_back(std::move(one.job));
  return batch;
}

std::optional<Batch> StageQueue::choose(const QueuePort& port, BatchQueue::Time now) {
  std::deque<Alone>& prepared_alone = devices_[port.device].prepared_alone;
  if (!prepared_alone.empty()) return take_alone(prepared_alone, port.second, now);
  if (!alone_.empty()) return take_alone(alone_, port.limits, now);
  BatchQueue& prepared = devices_[port.device].prepared;
  if (port.prepares && prepared.size() >= std::max<std::size_t>(1, port.look_ahead)) {
    return prepared.take(port.second, now, true);
  }
  // What is full goes before what is not, new jobs before prepared ones.
  if (waiting_for_first_.may_be_full(port.limits)) {
    if (auto batch = waiting_for_first_.take(port.limits, now, flushed_)) return batch;
  }
  if (prepared.may_be_full(port.second)) {
    if (auto batch = prepared.take(port.second, now, flushed_)) return batch;
  }
  if (auto batch = waiting_for_first_.take(port.limits, now, flushed_)) return batch;
  return prepared.take(port.second, now, flushed_);
}

std::optional<Batch> StageQueue::take(const QueuePort& port) {
  std::unique_lock lock(mutex_);
  asked_[port.device] = port.limits;
  const Device& device = devices_[port.device];
  while (!closed_ && !device.lost) {
    if (auto batch = choose(port, Clock::now())) return batch;
    auto due = waiting_for_first_.next_due();
    const auto prepared_due = device.prepared.next_due();
    if (prepared_due && (!due || *prepared_due < *due)) due = prepared_due;
    ++waiting_;
    if (due) {
      changed_.wait_until(lock, *due);
    } else {
      changed_.wait(lock);
    }
    --waiting_;
  }
  return std::nullopt;
}

bool StageQueue::push_prepared(std::size_t device,
                               std::vector<std::pair<std::size_t, LaneJob>>& jobs) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  const auto now = Clock::now();
  for (auto& [length, job] : jobs) {
    if (devices_[device].lost) {
      push_again(std::move(job));
    } else {
      devices_[device].prepared.push(length, now, std::move(job));
    }
  }
  jobs.clear();
  changed_.notify_all();
  return true;
}

bool StageQueue::push_alone(std::size_t device,
                            std::vector<std::pair<std::size_t, LaneJob>>& jobs) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  const auto now = Clock::now();
  for (auto& [length, job] : jobs) {
    if (job.prepared && !devices_[device].lost) {
      devices_[device].prepared_alone.push_back({length, now, std::move(job)});
    } else {
      job.prepared.reset();
      const std::size_t own = job.length;
      alone_.push_back({own, now, std::move(job)});
    }
  }
  jobs.clear();
  changed_.notify_all();
  return true;
}

void StageQueue::push_again(LaneJob job) {
  job.prepared.reset();
  const std::size_t length = job.length;
  waiting_for_first_.push(length, Clock::now(), std::move(job));
}

bool StageQueue::give_up(std::size_t device) {
  const std::lock_guard lock(mutex_);
  devices_[device].lost = true;
  for (LaneJob& job : devices_[device].prepared.take_all()) push_again(std::move(job));
  for (Alone& one : devices_[device].prepared_alone) {
    one.job.prepared.reset();
    one.length = one.job.length;
    alone_.push_back(std::move(one));
  }
  devices_[device].prepared_alone.clear();
  changed_.notify_all();
  return std::any_of(devices_.begin(), devices_.end(), [](const Device& one) { return !one.lost; });
}

void StageQueue::flush() {
  const std::lock_guard lock(mutex_);
  flushed_ = true;
  changed_.notify_all();
}

void StageQueue::longest_first() {
  const std::lock_guard lock(mutex_);
  waiting_for_first_.longest_first();
  for (Device& device : devices_) device.prepared.longest_first();
}

std::vector<LaneJob> StageQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
  std::vector<LaneJob> jobs = waiting_for_first_.take_all();
  const auto take_all = [&jobs](std::deque<Alone>& from) {
    for (Alone& one : from) jobs.push_back(std::move(one.job));
    from.clear();
  };
  take_all(alone_);
  for (Device& device : devices_) {
    for (LaneJob& job : device.prepared.take_all()) jobs.push_back(std::move(job));
    take_all(device.prepared_alone);
  }
  return jobs;
}

std::size_t StageQueue::size() const {
  const std::lock_guard lock(mutex_);
  std::size_t size = waiting_for_first_.size() + alone_.size();
  for (const Device& device : devices_) {
    size += device.prepared.size() + device.prepared_alone.size();
  }
  return size;
}

std::size_t StageQueue::prepared(std::size_t device) const {
  const std::lock_guard lock(mutex_);
  return devices_[device].prepared.size() + devices_[device].prepared_alone.size();
}

}  // namespace flowtts
