#include "core/device/lanes.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "core/device/affinity.h"
#include "core/device/memory_recovery.h"
#include "core/exceptions.h"
#include "core/keep_for_ever.h"

namespace flowtts {
namespace {

/// A model that leaks at once would otherwise be loaded again for every batch.
constexpr std::uint64_t kBatchesBetweenRecycling = 16;

/// A job that was on so many devices as they were lost is what loses them.
constexpr int kMostDevicesLost = 2;

/// More threads of a device than that do not hang for its items' sake. An item that hangs costs
/// two: one with its batch, and one alone.
constexpr int kMostStuck = 8;

/// How often one that waits for its turn to load looks whether that is still wanted.
constexpr auto kTurnTick = std::chrono::milliseconds(20);

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
      count_(static_cast<std::size_t>(lanes)),
      queue_(queue),
      cancelled_(cancelled),
      deliver_(deliver),
      none_left_(std::move(none_left)) {
  const DeviceShare share{plan.batch.max_items, plan.batch.look_ahead, 0, lanes};
  for (int lane = 0; lane < lanes; ++lane) {
    lanes_.push_back(
        std::make_shared<Lane>(DeviceContext(device.id(), lane, share), lanes_.size()));
  }
  use_.device.id = device.id();
  use_.lanes = lanes;
}

DeviceLanes::~DeviceLanes() = default;

void DeviceLanes::start(const std::shared_ptr<const void>& owner,
                        const std::shared_ptr<StartGate>& gate, std::size_t first_lane) {
  owner_ = owner;
  gate_ = gate;
  threads_ = count_;
  for (std::size_t i = 0; i < count_; ++i) {
    const LanePtr lane = lanes_[i];
    lane->number = first_lane + i;
    try {
      const std::lock_guard lock(mutex_);  // the thread's own look at `thread` comes after this
      lane->thread = std::thread([this, owner, lane] { run(lane); });
    } catch (const std::exception& failure) {  // no thread, or no memory for one
      if (i == 0) publish(nullptr);
      arrive(*lane, located(Error{"no_thread", fmt::format("lane {} cannot have a thread: {}", i,
                                                           failure.what())}));
      leave(*lane);
    }
  }
}

bool DeviceLanes::join(std::chrono::milliseconds at_most) {
  std::vector<std::thread> threads;
  {
    std::unique_lock lock(mutex_);
    if (!lane_ended_.wait_for(lock, at_most, [&] { return threads_ == 0; })) return false;
    for (const LanePtr& lane : lanes_) {
      if (lane->thread.joinable()) threads.push_back(std::move(lane->thread));
    }
  }
  for (std::thread& thread : threads) thread.join();
  return true;
}

// --- a lane's life
// ---------------------------------------------------------------------------------

void DeviceLanes::run(const LanePtr& lane) {
  name_thread(lane->context);
  keep_thread_near(device_.id());
  Binding binding;  // goes last
  arrive(*lane, prepare(*lane, binding));
  if (gate_->wait_open()) work_until_closed(lane);
  leave(*lane);
}

/// The life of a lane that comes for one that has been abandoned.
void DeviceLanes::run_in_place_of(const LanePtr& lane) {
  name_thread(lane->context);
  keep_thread_near(device_.id());
  Binding binding;
  std::optional<Error> failure;
  try {
    // What hangs on the device hangs this thread as well, which tells it from what hangs elsewhere.
    binding = device_.runtime().runtime->bind(device_.id());
    lane->context.set_binding(binding.get());
    device_.runtime().runtime->synchronize(device_.id());
  } catch (...) {
    failure = error_from_exception();
  }
  std::vector<LaneJob> suspects;
  bool mine = false;
  {
    const std::lock_guard lock(mutex_);
    mine = !lane->abandoned;
    if (mine) lane->activity = Activity::kNone;
    if (mine) suspects = std::move(lane->suspects);
  }
  if (mine && failure) give_up_device(std::move(suspects), failure->message, true);
  if (mine && !failure) {
    run_alone(std::move(suspects));
    work_until_closed(lane);
  }
  leave(*lane);
}

void DeviceLanes::work_until_closed(const LanePtr& lane) {
  while (auto batch = queue_.take(port_)) {
    work(lane, newest_copy()->loaded, *std::move(batch));
    {
      const std::lock_guard lock(mutex_);
      if (lane->abandoned || lost_) return;
    }
    if (recycling_due()) recycle(*lane);
  }
}

/// The last that a lane's thread does here.
void DeviceLanes::leave(Lane& lane) {
  std::shared_ptr<const Copy> last;
  const std::lock_guard lock(mutex_);
  if (lane.abandoned) {
    --stuck_;
    return;
  }
  lane.ended = true;
  if (--threads_ == 0) last = std::move(copy_);
  if (lost_ && last) keep_for_ever(std::move(last));
  lane_ended_.notify_all();
}

void DeviceLanes::arrive(Lane& lane, std::optional<Error> failure) {
  {
    const std::lock_guard lock(mutex_);
    if (lane.abandoned) return;  // that has been done for it
    lane.arrived = true;
  }
  gate_->arrive(lane.number, std::move(failure));
}

/// \return false where the lane has been abandoned.
bool DeviceLanes::begin(Lane& lane, Activity activity) {
  const std::lock_guard lock(mutex_);
  if (lane.abandoned) return false;
  lane.activity = activity;
  lane.since = Clock::now();
  return true;
}

bool DeviceLanes::end(Lane& lane) { return begin(lane, Activity::kNone); }

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
      begin(lane, Activity::kLoads);
      binding = device_.runtime().runtime->bind(device_.id());
    }
  } catch (...) {
    failure = error_from_exception();
  }
  lane.context.set_binding(binding.get());
  if (!end(lane)) return std::nullopt;
  if (loads) publish(std::move(copy));
  if (failure) return located(*std::move(failure));
  return std::nullopt;
}

Result<std::shared_ptr<const DeviceLanes::Copy>> DeviceLanes::start_and_load(Lane& lane,
                                                                             Binding& binding) {
  if (cancelled_ || !begin(lane, Activity::kLoads)) return cancelled_error();
  const auto info = device_.start();
  if (info.is_filtered()) return Error{"bad_runtime", "start returned no device"};
  if (!info) return info.error();
  binding = device_.runtime().runtime->bind(device_.id());
  {
    const std::lock_guard lock(mutex_);
    if (lane.abandoned) return cancelled_error();
    for (const LanePtr& each : lanes_) {
      each->context.set_memory_bytes(plan_.memory_limit.of(info->total_bytes));
    }
  }
  lane.context.set_binding(binding.get());
  auto copy = load_copy(lane, true);
  if (!copy.ok()) return copy;
  set_limits(*(*copy)->loaded.stage);
  const std::lock_guard lock(mutex_);
  use_.device = *info;
  use_.numerics = (*copy)->loaded.stage->numerics();
  use_.advice = (*copy)->loaded.stage->advice();
  runtime_ = device_.runtime().runtime;
  return copy;
}

/// \param wait_for_turn where the runtime wants one load at a time and another one is under way.
Result<std::shared_ptr<const DeviceLanes::Copy>> DeviceLanes::load_copy(Lane& lane,
                                                                        bool wait_for_turn) {
  SharedRuntime& shared = device_.runtime();
  std::unique_lock one_at_a_time(shared.one_load_at_a_time, std::defer_lock);
  if (!shared.runtime->loads_side_by_side()) {
    end(lane);  // its own loading has not begun
    while (!one_at_a_time.try_lock_for(kTurnTick)) {
      if (cancelled_ || !wait_for_turn) return cancelled_error();
    }
  }
  if (cancelled_ || !begin(lane, Activity::kLoads)) return cancelled_error();
  const auto begin = Clock::now();
  std::optional<Error> failure;
  const auto load = [&](const AnyStage& prototype, const std::string& id) {
    std::shared_ptr<AnyStage> copy = prototype.clone();
    failure = copy->load(lane.context);
    if (failure && id != plan_.id) {
      failure->message = fmt::format("stage '{}': {}", id, failure->message);
    }
    if (!touch(lane)) failure = cancelled_error();
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

void DeviceLanes::work(const LanePtr& lane, const LoadedStage& loaded, Batch batch) {
  const bool prepared = batch.jobs.front().prepared != nullptr;
  const BatchHalf half = prepared         ? BatchHalf::kSecond
                         : port_.prepares ? BatchHalf::kFirst
                                          : BatchHalf::kWhole;
  const auto running = std::make_shared<LaneBatch>(std::move(batch));
  const auto since = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    lane->batch = running;
    lane->activity = Activity::kRuns;
    lane->since = since;
  }
  MemoryRecoveries recovered;
  const RunRows run = [&](std::span<const LaneJob> jobs, std::size_t rows) {
    if (!touch(*lane)) {
      return std::vector<JobOutcome>(jobs.size(), JobOutcome{cancelled_error(), nullptr, 0});
    }
    return run_batch(loaded, half, jobs, rows, lane->context, cancelled_);
  };
  std::vector<JobOutcome> outcomes = run_within_memory(
      run, running->seen(), running->rows, running->longest, *device_.runtime().runtime,
      device_.id(), half == BatchHalf::kFirst ? first_ceiling_ : last_ceiling_, recovered);
  std::vector<LaneJob> jobs;
  {
    const std::lock_guard lock(mutex_);
    if (lane->abandoned) return;  // somebody else has the jobs
    lane->activity = Activity::kNone;
    lane->batch.reset();
    jobs = std::move(running->jobs);
  }
  running->drop_seen();
  count(*running, half, seconds_since(since), recovered);
  if (const auto loss = loss_in(outcomes)) {
    give_up_device(std::move(jobs), loss->message, false);
  } else if (half == BatchHalf::kFirst) {
    finish_first_half(std::move(jobs), std::move(outcomes), *loaded.stage);
  } else {
    finish_last_half(std::move(jobs), std::move(outcomes));
  }
}

/// What the lane is at begins anew. \return false where the lane has been abandoned.
bool DeviceLanes::touch(Lane& lane) {
  const std::lock_guard lock(mutex_);
  lane.since = Clock::now();
  return !lane.abandoned;
}

void DeviceLanes::finish_first_half(std::vector<LaneJob> jobs, std::vector<JobOutcome> outcomes,
                                    const AnyStage& stage) {
  std::vector<std::pair<std::size_t, LaneJob>> prepared;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!outcomes[i].prepared) {
      finish(jobs[i], std::move(outcomes[i].result), 0);
      continue;
    }
    jobs[i].prepared = std::move(outcomes[i].prepared);
    const std::size_t length = stage.prepared_length(jobs[i].prepared);
    prepared.emplace_back(length, std::move(jobs[i]));
  }
  if (queue_.push_prepared(number_, prepared)) return;
  for (auto& [length, job] : prepared) finish(job, cancelled_error(), 0);
}

void DeviceLanes::finish_last_half(std::vector<LaneJob> jobs, std::vector<JobOutcome> outcomes) {
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
  for (LaneJob& job : jobs) job.prepared.reset();
  const auto answers = std::make_shared<Answers>(std::move(jobs), std::move(outcomes));
  if (deliver_) {
    try {
      return deliver_([answers] { answers->give(); });
    } catch (const std::exception&) {
      // No memory for a task: then here.
    }
  }
  answers->give();
}

void DeviceLanes::count(const LaneBatch& batch, BatchHalf half, double seconds,
                        const MemoryRecoveries& recovered) {
  const std::lock_guard lock(mutex_);
  HalfUse& use = half == BatchHalf::kFirst ? use_.first : use_.last;
  ++use.batches;
  use.items += batch.count;
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

std::optional<Error> DeviceLanes::loss_in(const std::vector<JobOutcome>& outcomes) {
  for (const JobOutcome& outcome : outcomes) {
    if (!outcome.result.is_error()) continue;
    if (outcome.result.error().code == kDeviceLostCode) return outcome.result.error();
  }
  return std::nullopt;
}

/// \param jobs  what was at work on the device; goes to the others.
/// \param alone whether each is to go by itself there, since one of them may be the reason.
void DeviceLanes::give_up_device(std::vector<LaneJob> jobs, const std::string& why, bool alone) {
  const Error reason{std::string(kDeviceLostCode), why, false, true};
  {
    const std::lock_guard lock(mutex_);
    if (use_.lost.empty()) use_.lost = reason.message;
  }
  const bool first = !lost_.exchange(true);
  const bool others_left = queue_.give_up(number_);
  std::vector<std::pair<std::size_t, LaneJob>> one_by_one;
  for (LaneJob& job : jobs) {
    if (job.prepared) keep_for_ever(std::exchange(job.prepared, nullptr));
    if (++job.devices_lost >= kMostDevicesLost) {
      finish(job,
             Error{std::string(kDeviceLostCode),
                   fmt::format("was at work on {} devices as they were lost, the last time: {}",
                               job.devices_lost, reason.message)},
             0);
    } else if (alone) {
      const std::size_t length = job.length;
      one_by_one.emplace_back(length, std::move(job));
    } else if (!queue_.push(job)) {
      finish(job, cancelled_error(), 0);
    }
  }
  if (!queue_.push_alone(number_, one_by_one)) {
    for (auto& [length, job] : one_by_one) finish(job, cancelled_error(), 0);
  }
  if (first && !others_left) none_left_(located(reason));
}

// --- lanes that hang
// -------------------------------------------------------------------------------

void DeviceLanes::abandon_hung(Clock::time_point at, std::vector<std::string>& found) {
  if (plan_.hang_after_s <= 0) return;
  std::vector<Abandoned> hung;
  {
    const std::lock_guard lock(mutex_);
    for (const LanePtr& lane : lanes_) {
      if (lane->activity == Activity::kNone || lane->abandoned) continue;
      const std::chrono::duration<double> age = at - lane->since;
      if (age.count() >= plan_.hang_after_s) hung.push_back(abandon(lane, age.count()));
    }
  }
  for (Abandoned& one : hung) found.push_back(act_on(std::move(one)));
}

void DeviceLanes::abandon_all() {
  std::vector<Abandoned> all;
  {
    const std::lock_guard lock(mutex_);
    for (const LanePtr& lane : lanes_) {
      if (lane->activity == Activity::kNone || lane->abandoned) continue;
      all.push_back(abandon(lane, 0));
    }
  }
  for (Abandoned& one : all) end_without(std::move(one), cancelled_error());
}

/// Takes everything away from a lane but its thread, which goes its own way; with `mutex_` held.
DeviceLanes::Abandoned DeviceLanes::abandon(const LanePtr& lane, double seconds) {
  Abandoned taken{lane, lane->activity, seconds, "", {}, false, !lane->arrived};
  lane->abandoned = true;
  lane->thread.detach();
  ++stuck_;
  taken.too_many = stuck_ > kMostStuck;
  taken.jobs = std::move(lane->suspects);
  if (lane->batch) {
    taken.first_record = lane->batch->first_record;
    taken.jobs = std::move(lane->batch->jobs);
    lane->batch.reset();
  }
  if (taken.activity == Activity::kRuns) ++use_.hung;
  return taken;
}

/// Does what is to be done about a lane that hangs. \return what to tell the user.
std::string DeviceLanes::act_on(Abandoned hung) {
  std::string at = "loading the stage";
  if (hung.activity == Activity::kChecks) at = "waiting for the device after a batch hung there";
  if (hung.activity == Activity::kRuns) {
    at = hung.jobs.size() == 1 ? fmt::format("working on record {}", hung.first_record)
                               : fmt::format("working on {} items, the first of record {},",
                                             hung.jobs.size(), hung.first_record);
  }
  const Lane& lane = *hung.lane;
  std::string text =
      fmt::format("stage '{}': lane {} of {} has been {} for {:.1f} s and is given up as hung",
                  plan_.id, lane.context.lane(), device_.id().text(), at, hung.seconds);
  if (hung.at_gate) {
    end_without(std::move(hung),
                located(Error{std::string(kHungCode),
                              fmt::format("loading took longer than {} s; run.hang_after_s says "
                                          "how long it may take",
                                          plan_.hang_after_s)}));
    return text;
  }
  if (cancelled_) {
    end_without(std::move(hung), cancelled_error());
    return text;
  }
  if (hung.activity == Activity::kRuns && hung.jobs.size() == 1) {
    finish(hung.jobs.front(),
           Error{std::string(kHungCode),
                 fmt::format("took longer than {} s alone on {} (run.hang_after_s)",
                             plan_.hang_after_s, device_.id().text())},
           0);
    hung.jobs.clear();
    text += "; the item fails";
  } else if (!hung.jobs.empty()) {
    text += "; its items are run again, one by one";
  }
  if (hung.activity == Activity::kChecks || hung.too_many || lost_) {
    give_up_device(std::move(hung.jobs),
                   hung.activity == Activity::kChecks
                       ? "does not finish what it was given"
                       : fmt::format("more than {} of its threads hang", kMostStuck),
                   true);
    leave_for(lane);
    return text;
  }
  replace(lane, std::move(hung.jobs));
  return text;
}

/// Ends what a lane had that nobody is to replace.
void DeviceLanes::end_without(Abandoned taken, const Error& why) {
  for (LaneJob& job : taken.jobs) finish(job, why, 0);
  if (taken.at_gate) {
    if (taken.lane->context.lane() == 0) publish(nullptr);
    gate_->arrive(taken.lane->number, why);
  }
  leave_for(*taken.lane);
}

/// Counts an abandoned lane out. What it leaves on a GPU is not freed, since that could hang too.
void DeviceLanes::leave_for(const Lane&) {
  const std::lock_guard lock(mutex_);
  if (--threads_ == 0 && copy_ && device_.id().kind != DeviceKind::kCpu) {
    keep_for_ever(std::move(copy_));
  }
  lane_ended_.notify_all();
}

/// Starts a lane in the place of an abandoned one.
void DeviceLanes::replace(const Lane& lane, std::vector<LaneJob> suspects) {
  const DeviceContext& context = lane.context;
  const auto next = std::make_shared<Lane>(
      DeviceContext(context.device(), context.lane(), context.share()), lane.index);
  next->number = lane.number;
  next->arrived = true;
  next->activity = Activity::kChecks;
  next->suspects = std::move(suspects);
  try {
    const std::lock_guard lock(mutex_);
    next->since = Clock::now();
    next->thread = std::thread([this, owner = owner_.lock(), next] { run_in_place_of(next); });
    lanes_[lane.index] = next;
    return;
  } catch (const std::system_error& failure) {
    next->activity = Activity::kNone;
    give_up_device(std::move(next->suspects),
                   fmt::format("a lane cannot have a thread: {}", failure.what()), true);
  }
  leave_for(lane);
}

/// The device does answer: one of these may be what hung.
void DeviceLanes::run_alone(std::vector<LaneJob> jobs) {
  const std::shared_ptr<const Copy> copy = newest_copy();
  std::vector<std::pair<std::size_t, LaneJob>> one_by_one;
  for (LaneJob& job : jobs) {
    const std::size_t length =
        job.prepared ? copy->loaded.stage->prepared_length(job.prepared) : job.length;
    one_by_one.emplace_back(length, std::move(job));
  }
  if (queue_.push_alone(number_, one_by_one)) return;
  for (auto& [length, job] : one_by_one) finish(job, cancelled_error(), 0);
}

// --- recycling
// -------------------------------------------------------------------------------------

bool DeviceLanes::recycling_due() {
  const RecyclePolicy& policy = plan_.recycle;
  if (policy.after_batches == 0 && policy.when_reserved_over == 0) return false;
  std::uint64_t batches = 0;
  {
    const std::lock_guard lock(mutex_);
    if (stuck_ > 0) return false;  // one of them may hold what loading or measuring needs
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
    newer = load_copy(lane, false);
  } catch (...) {
    newer = error_from_exception();
  }
  if (!end(lane) || !newer.ok()) return;
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
  // A thread that hangs may hold what the question needs.
  const std::shared_ptr<DeviceRuntime> runtime = stuck_ == 0 ? runtime_ : nullptr;
  lock.unlock();
  use.ceiling = last_ceiling_.value();
  if (runtime && use.lost.empty()) use.memory = runtime->memory(use.device.id);
  return use;
}

int DeviceLanes::stuck() const {
  const std::lock_guard lock(mutex_);
  return stuck_;
}

DeviceExecutor::DeviceNow DeviceLanes::now() const {
  const std::lock_guard lock(mutex_);
  DeviceExecutor::DeviceNow now;
  now.device = device_.id();
  now.lanes = static_cast<int>(count_);
  for (const LanePtr& lane : lanes_) {
    if (lane->activity != Activity::kNone && !lane->abandoned) ++now.busy;
  }
  now.prepared = queue_.prepared(number_);
  now.stuck = stuck_;
  now.lost = use_.lost;
  return now;
}

std::optional<DeviceExecutor::Running> DeviceLanes::oldest_running(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  const Lane* oldest = nullptr;
  for (const LanePtr& lane : lanes_) {
    if (!lane->batch || lane->abandoned) continue;
    if (!oldest || lane->since < oldest->since) oldest = lane.get();
  }
  if (!oldest) return std::nullopt;
  const std::chrono::duration<double> age = now - oldest->since;
  return DeviceExecutor::Running{std::max(0.0, age.count()), device_.id(), oldest->context.lane(),
                                 oldest->batch->first_record};
}

Error DeviceLanes::located(Error error) const {
  error.message = fmt::format("stage '{}' on {}: {}", plan_.id, device_.id().text(), error.message);
  return error;
}

}  // namespace flowtts
