#include "core/device/lanes.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "core/device/run_batch.h"
#include "core/exceptions.h"

namespace flowtts {
namespace {

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
void finish(DeviceJob& job, Result<AnyPayload> result) noexcept {
  const DeviceJob ending = std::move(job);
  ending.done(std::move(result));
}

}  // namespace

/// What a lane's thread holds; the copy goes before the binding.
struct DeviceLanes::Hold {
  std::unique_ptr<LaneBinding> binding;
  std::shared_ptr<const AnyStage> copy;
};

DeviceLanes::DeviceLanes(const DeviceStagePlan& plan, SharedDevice& device, int lanes,
                         StageQueue& queue, const std::atomic<bool>& cancelled)
    : plan_(plan), device_(device), queue_(queue), cancelled_(cancelled) {
  for (int lane = 0; lane < lanes; ++lane) {
    lanes_.push_back(std::make_unique<Lane>(DeviceContext(device.id(), lane)));
  }
  use_.device.id = device.id();
  use_.lanes = lanes;
}

void DeviceLanes::start(const std::shared_ptr<StartGate>& gate, std::size_t first_lane) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    const std::size_t number = first_lane + i;
    try {
      lane.thread = std::thread([this, &lane, gate, number] { run(lane, *gate, number); });
    } catch (const std::system_error& failure) {
      if (i == 0) publish(nullptr);
      gate->arrive(number,
                   located(Error{"no_thread", fmt::format("lane {} cannot have a thread: {}", i,
                                                          failure.what())}));
    }
  }
}

void DeviceLanes::hand_over_copy() {
  const std::lock_guard lock(mutex_);
  copy_.reset();
}

void DeviceLanes::join() {
  for (const auto& lane : lanes_) {
    if (lane->thread.joinable()) lane->thread.join();
  }
}

void DeviceLanes::run(Lane& lane, StartGate& gate, std::size_t number) {
  name_thread(lane.context);
  Hold hold;
  gate.arrive(number, prepare(lane, hold));
  if (!gate.wait_open()) return;
  while (auto batch = queue_.take(limits_)) work(lane, *hold.copy, *std::move(batch));
}

std::optional<Error> DeviceLanes::prepare(Lane& lane, Hold& hold) {
  const bool loads = lane.context.lane() == 0;
  std::optional<Error> failure;
  try {
    if (loads) {
      failure = load(lane, hold);
    } else if ((hold.copy = wait_for_copy())) {
      hold.binding = device_.runtime().runtime->bind(device_.id());
    }
  } catch (...) {
    failure = error_from_exception();
  }
  if (loads) publish(failure ? nullptr : hold.copy);
  if (failure) return located(*std::move(failure));
  return std::nullopt;
}

std::optional<Error> DeviceLanes::load(Lane& lane, Hold& hold) {
  if (cancelled_) return cancelled_error();
  const auto info = device_.start();
  if (info.is_filtered()) return Error{"bad_runtime", "start returned no device"};
  if (!info) return info.error();
  SharedRuntime& shared = device_.runtime();
  hold.binding = shared.runtime->bind(device_.id());

  std::unique_lock one_at_a_time(shared.one_load_at_a_time, std::defer_lock);
  if (!shared.runtime->loads_side_by_side()) one_at_a_time.lock();
  if (cancelled_) return cancelled_error();
  const auto begin = Clock::now();
  std::shared_ptr<AnyStage> copy = plan_.prototype->clone();
  if (auto failure = copy->load(lane.context)) return failure;
  limits_ = {std::max<std::size_t>(plan_.batch.max_items, 1), plan_.batch.max_length};
  const std::size_t own = copy->max_batch(device_.id());
  if (own > 0) limits_.max_items = std::min(limits_.max_items, own);
  hold.copy = std::move(copy);

  const std::lock_guard lock(mutex_);
  use_.device = *info;
  use_.load_seconds = seconds_since(begin);
  runtime_ = shared.runtime;
  return std::nullopt;
}

void DeviceLanes::publish(std::shared_ptr<const AnyStage> copy) {
  const std::lock_guard lock(mutex_);
  copy_ = std::move(copy);
  published_ = true;
  published_changed_.notify_all();
}

std::shared_ptr<const AnyStage> DeviceLanes::wait_for_copy() {
  std::unique_lock lock(mutex_);
  published_changed_.wait(lock, [&] { return published_; });
  return copy_;
}

void DeviceLanes::work(Lane& lane, const AnyStage& stage, Batch batch) {
  {
    const std::lock_guard lock(mutex_);
    lane.running = &batch.jobs.front().item.record;
    lane.since = Clock::now();
  }
  BatchOutcome outcome = run_batch(stage, batch.jobs, lane.context, cancelled_);
  {
    const std::lock_guard lock(mutex_);
    lane.running = nullptr;
    ++use_.batches;
    use_.items += batch.jobs.size();
    use_.length += batch.length;
    use_.padded_length += batch.longest * batch.jobs.size();
    use_.busy_seconds += outcome.seconds;
  }
  for (std::size_t i = 0; i < batch.jobs.size(); ++i) {
    finish(batch.jobs[i], std::move(outcome.results[i]));
  }
}

DeviceUse DeviceLanes::use() const {
  std::unique_lock lock(mutex_);
  DeviceUse use = use_;
  const std::shared_ptr<DeviceRuntime> runtime = runtime_;
  lock.unlock();
  if (runtime) use.peak_bytes = runtime->peak_bytes(use.device.id);
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
