#include "core/device/lanes.h"

#include <pthread.h>

#include <algorithm>
#include <deque>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "core/device/affinity.h"
#include "core/device/memory_recovery.h"
#include "core/exceptions.h"

namespace flowtts {
namespace {

/// A model that leaks at once would otherwise be loaded again for every batch.
constexpr std::uint64_t kBatchesBetweenRecycling = 16;

/// A job that was on so many devices as they were lost is what loses them.
constexpr int kMostDevicesLost = 2;

/// "cuda:0/1", for debuggers, top and perf. The kernel keeps 15 characters.
void name_thread(const DeviceContext& context) {
  const std::string name = fmt::format("{}/{}", context.device().text(), context.lane());
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Gives the result away, then lets go of all that the job held. `done` must not throw; where it
/// does, the record's account is lost, and so the process ends.
void finish(LaneJob& job, Result<AnyPayload> result, std::size_t stage) noexcept {
  const LaneJob ending = std::move(job);
  ending.job.done(std::move(result), stage);
}

void add(MemoryRecoveries& sum, const MemoryRecoveries& more) {
  sum.out_of_memory += more.out_of_memory;
  sum.retried += more.retried;
  sum.halved += more.halved;
  sum.failed += more.failed;
}

/// A stage's own lengths and shapes for one half of its batches.
BatchLimits limits_of(const BatchPolicy& policy, BatchShapes shapes, const MemoryCeiling& ceiling) {
  BatchLimits limits;
  limits.max_items = std::max<std::size_t>(policy.max_items, 1);
  limits.max_length = policy.max_length;
  limits.shapes = std::move(shapes);
  limits.ceiling = &ceiling;
  return limits;
}

/// Keeps an object for the life of the process, in a list that is never destroyed.
template <class T>
void keep_for_ever(T object) {
  static std::mutex mutex;
  static auto* const kept = new std::deque<T>;
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(object));
}

}  // namespace

/// A loaded copy of the stage.
struct DeviceLanes::Copy {
  LoadedStage loaded;
  mutable std::atomic<bool> superseded = false;  ///< By one that was loaded later.
};

DeviceLanes::DeviceLanes(const DeviceStagePlan& plan, SharedDevice& device, std::size_t number,
                         int lanes, StageQueue& queue, const std::atomic<bool>& cancelled,
                         const Deliver& deliver, NoneLeft none_left)
    : plan_(plan),
      device_(device),
      number_(number),
      queue_(queue),
      cancelled_(cancelled),
      deliver_(deliver),
      none_left_(std::move(none_left)) {
  const DeviceShare share{plan.batch.max_items, plan.batch.look_ahead, 0, lanes};
  for (int lane = 0; lane < lanes; ++lane) {
    lanes_.push_back(std::make_unique<Lane>(DeviceContext(device.id(), lane, share)));
  }
  use_.device.id = device.id();
  use_.lanes = lanes;
}

DeviceLanes::~DeviceLanes() = default;

void DeviceLanes::start(const std::shared_ptr<StartGate>& gate, std::size_t first_lane) {
  threads_ = lanes_.size();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    const std::size_t number = first_lane + i;
    try {
      lane.thread = std::thread([this, &lane, gate, number] { run(lane, *gate, number); });
    } catch (const std::system_error& failure) {
      if (i == 0) publish(nullptr);
      leave();
      gate->arrive(number,
                   located(Error{"no_thread", fmt::format("lane {} cannot have a thread: {}", i,
                                                          failure.what())}));
    }
  }
}

void DeviceLanes::join() {
  for (const auto& lane : lanes_) {
    if (lane->thread.joinable()) lane->thread.join();
  }
}

// --- a lane's life
// ---------------------------------------------------------------------------------

void DeviceLanes::run(Lane& lane, StartGate& gate, std::size_t number) {
  name_thread(lane.context);
  keep_thread_near(device_.id());
  Binding binding;  // goes last
  gate.arrive(number, prepare(lane, binding));
  if (gate.wait_open()) work_until_closed(lane);
  leave();
}

void DeviceLanes::work_until_closed(Lane& lane) {
  while (auto batch = queue_.take(port_)) {
    work(lane, newest_copy()->loaded, *std::move(batch));
    if (lost_) return;
    if (recycling_due()) recycle(lane);
  }
}

void DeviceLanes::leave() {
  std::shared_ptr<const Copy> last;
  const std::lock_guard lock(mutex_);
  if (--threads_ == 0) last = std::move(copy_);
  if (lost_ && last) keep_for_ever(std::move(last));
}

std::optional<Error> DeviceLanes::prepare(Lane& lane, Binding& binding) {
  const bool loads = lane.context.lane() == 0;
  std::optional<Error> failure;
  std::shared_ptr<const Copy> copy;
  try {
    if (loads) {
      auto loaded = start_and_load(lane, binding);
      if (loaded.ok()) copy = *std::move(loaded);
      if (!loaded.ok()) failure = loaded.error();
    } else if (wait_for_copy()) {
      binding = device_.runtime().runtime->bind(device_.id());
    }
  } catch (...) {
    failure = error_from_exception();
  }
  lane.context.set_binding(binding.get());
  if (loads) publish(std::move(copy));
  if (failure) return located(*std::move(failure));
  return std::nullopt;
}

Result<std::shared_ptr<const DeviceLanes::Copy>> DeviceLanes::start_and_load(Lane& lane,
                                                                             Binding& binding) {
  if (cancelled_) return cancelled_error();
  const auto info = device_.start();
  if (info.is_filtered()) return Error{"bad_runtime", "start returned no device"};
  if (!info) return info.error();
  binding = device_.runtime().runtime->bind(device_.id());
  for (const auto& each : lanes_) {
    each->context.set_memory_bytes(plan_.memory_limit.of(info->total_bytes));
  }
  lane.context.set_binding(binding.get());
  auto copy = load_copy(lane.context);
  if (!copy.ok()) return copy;
  set_limits(*(*copy)->loaded.stage);
  const std::lock_guard lock(mutex_);
  use_.device = *info;
  use_.numerics = (*copy)->loaded.stage->numerics();
  use_.advice = (*copy)->loaded.stage->advice();
  runtime_ = device_.runtime().runtime;
  return copy;
}

Result<std::shared_ptr<const DeviceLanes::Copy>> DeviceLanes::load_copy(DeviceContext& context) {
  SharedRuntime& shared = device_.runtime();
  std::unique_lock one_at_a_time(shared.one_load_at_a_time, std::defer_lock);
  if (!shared.runtime->loads_side_by_side()) one_at_a_time.lock();
  if (cancelled_) return cancelled_error();
  const auto begin = Clock::now();
  std::optional<Error> failure;
  const auto load = [&](const AnyStage& prototype, const std::string& id) {
    std::shared_ptr<AnyStage> copy = prototype.clone();
    failure = copy->load(context);
    if (failure && id != plan_.id) {
      failure->message = fmt::format("stage '{}': {}", id, failure->message);
    }
    return copy;
  };
  auto made = std::make_unique<Copy>();
  made->loaded.stage = load(*plan_.prototype, plan_.id);
  for (std::size_t i = 0; i < plan_.in_lane.size() && !failure; ++i) {
    made->loaded.in_lane.push_back(load(*plan_.in_lane[i].prototype, plan_.in_lane[i].id));
  }
  if (failure) return *std::move(failure);
  const std::lock_guard lock(mutex_);
  use_.load_seconds = seconds_since(begin);
  const auto destroy = [runtime = shared.runtime, device = device_.id()](const Copy* copy) {
    const bool superseded = copy->superseded;
    delete copy;
    if (superseded) runtime->release_cached(device);
  };
  return std::shared_ptr<const Copy>(made.release(), destroy);
}

void DeviceLanes::set_limits(const AnyStage& stage) {
  port_.device = number_;
  port_.prepares = stage.prepares();
  MemoryCeiling& ceiling = port_.prepares ? first_ceiling_ : last_ceiling_;
  port_.limits = limits_of(plan_.batch, stage.shapes(), ceiling);
  const std::size_t own = stage.max_batch(device_.id());
  if (own > 0) port_.limits.max_items = std::min(port_.limits.max_items, own);
  if (!port_.prepares) return;
  port_.limits.max_length = 0;  // what the pipeline limits is the half that costs
  port_.second = limits_of(plan_.batch, stage.prepared_shapes(), last_ceiling_);
  port_.look_ahead = plan_.batch.look_ahead;
  if (const std::size_t fewer = stage.look_ahead(); fewer > 0) {
    port_.look_ahead = std::min(port_.look_ahead, fewer);
  }
}

void DeviceLanes::publish(std::shared_ptr<const Copy> copy) {
  const std::lock_guard lock(mutex_);
  copy_ = std::move(copy);
  published_ = true;
  published_changed_.notify_all();
}

std::shared_ptr<const DeviceLanes::Copy> DeviceLanes::wait_for_copy() {
  std::unique_lock lock(mutex_);
  published_changed_.wait(lock, [&] { return published_; });
  return copy_;
}

std::shared_ptr<const DeviceLanes::Copy> DeviceLanes::newest_copy() const {
  const std::lock_guard lock(mutex_);
  return copy_;
}

// --- batches
// ---------------------------------------------------------------------------------------

void DeviceLanes::work(Lane& lane, const LoadedStage& loaded, Batch batch) {
  const bool prepared = batch.jobs.front().prepared != nullptr;
  const BatchHalf half = prepared         ? BatchHalf::kSecond
                         : port_.prepares ? BatchHalf::kFirst
                                          : BatchHalf::kWhole;
  {
    const std::lock_guard lock(mutex_);
    lane.running = &batch.jobs.front().job.item.record;
    lane.since = Clock::now();
  }
  MemoryRecoveries recovered;
  const RunRows run = [&](std::span<const LaneJob> jobs, std::size_t rows) {
    return run_batch(loaded, half, jobs, rows, lane.context, cancelled_);
  };
  std::vector<JobOutcome> outcomes = run_within_memory(
      run, batch.jobs, batch.rows, batch.longest, *device_.runtime().runtime, device_.id(),
      half == BatchHalf::kFirst ? first_ceiling_ : last_ceiling_, recovered);
  count(batch, half, seconds_since(lane.since), recovered);
  {
    const std::lock_guard lock(mutex_);
    lane.running = nullptr;
  }
  if (device_is_lost(outcomes)) {
    give_up_device(batch, outcomes);
  } else if (half == BatchHalf::kFirst) {
    finish_first_half(batch, std::move(outcomes), *loaded.stage);
  } else {
    finish_last_half(batch, std::move(outcomes));
  }
}

void DeviceLanes::finish_first_half(Batch& batch, std::vector<JobOutcome> outcomes,
                                    const AnyStage& stage) {
  std::vector<std::pair<std::size_t, LaneJob>> prepared;
  for (std::size_t i = 0; i < batch.jobs.size(); ++i) {
    LaneJob& job = batch.jobs[i];
    if (!outcomes[i].prepared) {
      finish(job, std::move(outcomes[i].result), 0);
      continue;
    }
    job.prepared = std::move(outcomes[i].prepared);
    const std::size_t length = stage.prepared_length(job.prepared);
    prepared.emplace_back(length, std::move(job));
  }
  if (queue_.push_prepared(number_, prepared)) return;
  for (auto& [length, job] : prepared) finish(job, cancelled_error(), 0);
}

void DeviceLanes::finish_last_half(Batch& batch, std::vector<JobOutcome> outcomes) {
  struct Answers {
    std::vector<LaneJob> jobs;
    std::vector<JobOutcome> outcomes;

    void give() noexcept {
      for (std::size_t i = 0; i < jobs.size(); ++i) {
        finish(jobs[i], std::move(outcomes[i].result), outcomes[i].stage);
      }
    }
  };
  // What is on the device goes on the lane's own thread.
  for (LaneJob& job : batch.jobs) job.prepared.reset();
  const auto answers = std::make_shared<Answers>(std::move(batch.jobs), std::move(outcomes));
  if (deliver_) {
    try {
      return deliver_([answers] { answers->give(); });
    } catch (const std::exception&) {
      // No memory for a task: then here.
    }
  }
  answers->give();
}

void DeviceLanes::count(const Batch& batch, BatchHalf half, double seconds,
                        const MemoryRecoveries& recovered) {
  const std::lock_guard lock(mutex_);
  HalfUse& use = half == BatchHalf::kFirst ? use_.first : use_.last;
  ++use.batches;
  use.items += batch.jobs.size();
  use.rows += batch.rows;
  use.length += batch.length;
  use.padded_length += batch.longest * batch.rows;
  use.busy_seconds += seconds;
  use.queue_seconds += batch.waited_s;
  add(use_.recoveries, recovered);
  ++batches_of_copy_;
}

// --- a device that is lost
// -------------------------------------------------------------------------

bool DeviceLanes::device_is_lost(const std::vector<JobOutcome>& outcomes) {
  return std::any_of(outcomes.begin(), outcomes.end(), [](const JobOutcome& outcome) {
    return outcome.result.is_error() && outcome.result.error().code == kDeviceLostCode;
  });
}

void DeviceLanes::give_up_device(Batch& batch, const std::vector<JobOutcome>& outcomes) {
  Error reason{std::string(kDeviceLostCode), "", false, true};
  for (const JobOutcome& outcome : outcomes) {
    if (!outcome.result.is_error() || outcome.result.error().code != kDeviceLostCode) continue;
    reason.message = outcome.result.error().message;
    break;
  }
  {
    const std::lock_guard lock(mutex_);
    if (use_.lost.empty()) use_.lost = reason.message;
  }
  const bool first = !lost_.exchange(true);
  const bool others_left = queue_.give_up(number_);
  for (LaneJob& job : batch.jobs) {
    if (job.prepared) keep_for_ever(std::exchange(job.prepared, nullptr));
    if (++job.devices_lost >= kMostDevicesLost) {
      finish(job,
             Error{std::string(kDeviceLostCode),
                   fmt::format("was at work on {} devices as they were lost, the last time: {}",
                               job.devices_lost, reason.message)},
             0);
    } else if (!queue_.push(job)) {
      finish(job, cancelled_error(), 0);
    }
  }
  if (first && !others_left) none_left_(located(reason));
}

// --- recycling
// -------------------------------------------------------------------------------------

bool DeviceLanes::recycling_due() {
  const RecyclePolicy& policy = plan_.recycle;
  if (policy.after_batches == 0 && policy.when_reserved_over == 0) return false;
  std::uint64_t batches = 0;
  {
    const std::lock_guard lock(mutex_);
    batches = batches_of_copy_;
  }
  if (policy.after_batches > 0 && batches >= policy.after_batches) return true;
  return policy.when_reserved_over > 0 && batches >= kBatchesBetweenRecycling &&
         device_.runtime().runtime->memory(device_.id()).reserved > policy.when_reserved_over;
}

void DeviceLanes::recycle(Lane& lane) {
  const std::unique_lock recycles(one_recycles_, std::try_to_lock);
  if (!recycles || !recycling_due()) return;
  {
    const std::lock_guard lock(mutex_);
    batches_of_copy_ = 0;
  }
  Result<std::shared_ptr<const Copy>> newer = cancelled_error();
  try {
    newer = load_copy(lane.context);
  } catch (...) {
    newer = error_from_exception();
  }
  if (!newer.ok()) return;
  std::shared_ptr<const Copy> older = *std::move(newer);
  {
    const std::lock_guard lock(mutex_);
    copy_.swap(older);
    ++use_.recycled;
  }
  older->superseded = true;  // it goes with the last batch that it runs
}

// --- what is told
// ----------------------------------------------------------------------------------

DeviceUse DeviceLanes::use() const {
  std::unique_lock lock(mutex_);
  DeviceUse use = use_;
  const std::shared_ptr<DeviceRuntime> runtime = runtime_;
  lock.unlock();
  use.ceiling = last_ceiling_.value();
  if (runtime && use.lost.empty()) use.memory = runtime->memory(use.device.id);
  return use;
}

std::optional<DeviceExecutor::Running> DeviceLanes::oldest_running(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  const Lane* oldest = nullptr;
  for (const auto& lane : lanes_) {
    if (lane->running && (!oldest || lane->since < oldest->since)) oldest = lane.get();
  }
  if (!oldest) return std::nullopt;
  const std::chrono::duration<double> age = now - oldest->since;
  return DeviceExecutor::Running{std::max(0.0, age.count()), device_.id(), oldest->running->id};
}

Error DeviceLanes::located(Error error) const {
  error.message = fmt::format("stage '{}' on {}: {}", plan_.id, device_.id().text(), error.message);
  return error;
}

}  // namespace flowtts
