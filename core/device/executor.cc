#include "core/device/executor.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "core/device/devices.h"
#include "core/device/lanes.h"
#include "core/device/run_batch.h"
#include "core/exceptions.h"

namespace flowtts {
namespace {

constexpr auto kTick = std::chrono::milliseconds(20);
/// How long a loading that is no longer wanted may take to come back by itself.
constexpr auto kGrace = std::chrono::seconds(2);

std::vector<DeviceId> all_devices(const std::vector<DeviceStagePlan>& plans) {
  std::vector<DeviceId> all;
  for (const DeviceStagePlan& plan : plans) {
    all.insert(all.end(), plan.devices.begin(), plan.devices.end());
  }
  return all;
}

void give_up(std::vector<LaneJob> jobs, const Error& why) noexcept {
  for (LaneJob& job : jobs) job.job.done(why, 0);
}

}  // namespace

struct DeviceExecutor::Impl {
  struct Stage {
    explicit Stage(const DeviceStagePlan& stage_plan)
        : plan(stage_plan), queue(stage_plan.batch, stage_plan.devices.size()) {}

    /// Ends the stage: nobody will take what waits or comes.
    void close(const Error& why) {
      {
        const std::lock_guard lock(mutex);
        if (!closed) closed = why;
      }
      give_up(queue.close(), why);
    }
    Error why_closed() {
      const std::lock_guard lock(mutex);
      return closed.value_or(cancelled_error());
    }

    const DeviceStagePlan& plan;
    StageQueue queue;
    std::mutex mutex;
    std::optional<Error> closed;
    std::vector<std::unique_ptr<DeviceLanes>> devices;
  };

  explicit Impl(std::vector<DeviceStagePlan> stage_plans);
  SharedRuntime& runtime(const std::string& name);
  SharedDevice& device(SharedRuntime& runtime, DeviceId id);
  std::optional<Error> make_runtimes();
  std::optional<Error> start_lanes(const std::shared_ptr<const void>& self);
  void cancel();
  void join();
  std::vector<std::string> watch(DeviceLanes::Clock::time_point at);
  void abandon_all();

  const std::vector<DeviceStagePlan> plans;
  std::atomic<bool> cancelled = false;
  std::vector<std::unique_ptr<SharedRuntime>> runtimes;
  std::vector<std::unique_ptr<SharedDevice>> devices;
  std::vector<std::unique_ptr<Stage>> stages;

  std::mutex lifecycle;  ///< Guards `start` and `stop` against one another.
  bool started = false;
};

DeviceExecutor::Impl::Impl(std::vector<DeviceStagePlan> stage_plans)
    : plans(std::move(stage_plans)) {
  for (const DeviceStagePlan& plan : plans) {
    auto stage = std::make_unique<Stage>(plan);
    SharedRuntime& on = runtime(plan.runtime);
    for (const DeviceId id : plan.devices) {
      SharedDevice& shared = device(on, id);
      shared.limit_memory(plan.memory_limit);
      const int lanes = plan.lanes > 0 ? plan.lanes : automatic_lanes(id, all_devices(plans));
      Stage* const of = stage.get();
      stage->devices.push_back(
          std::make_unique<DeviceLanes>(plan, shared, stage->devices.size(), lanes, stage->queue,
                                        cancelled, [of](const Error& lost) { of->close(lost); }));
    }
    stages.push_back(std::move(stage));
  }
}

SharedRuntime& DeviceExecutor::Impl::runtime(const std::string& name) {
  for (const auto& known : runtimes) {
    if (known->name == name) return *known;
  }
  runtimes.push_back(std::make_unique<SharedRuntime>());
  runtimes.back()->name = name;
  return *runtimes.back();
}

SharedDevice& DeviceExecutor::Impl::device(SharedRuntime& runtime, DeviceId id) {
  for (const auto& known : devices) {
    if (&known->runtime() == &runtime && known->id() == id) return *known;
  }
  devices.push_back(std::make_unique<SharedDevice>(runtime, id));
  return *devices.back();
}

std::optional<Error> DeviceExecutor::Impl::make_runtimes() {
  for (const auto& stage : stages) {
    if (stage->devices.empty()) {
      return Error{"no_device", fmt::format("stage '{}' has no device", stage->plan.id)};
    }
  }
  for (const auto& shared : runtimes) {
    auto made = make_device_runtime(shared->name);
    if (made.is_error()) return made.error();
    if (!made || !*made) {
      return Error{"bad_runtime", fmt::format("the device runtime '{}' makes none", shared->name)};
    }
    shared->runtime = *std::move(made);
  }
  return std::nullopt;
}

std::optional<Error> DeviceExecutor::Impl::start_lanes(const std::shared_ptr<const void>& self) {
  std::size_t lanes = 0;
  for (const auto& stage : stages) {
    for (const auto& on : stage->devices) lanes += on->lanes();
  }
  const auto gate = std::make_shared<StartGate>(lanes);  // The lanes may leave it last.
  std::size_t next = 0;
  for (const auto& stage : stages) {
    for (const auto& on : stage->devices) {
      on->start(self, gate, next);
      next += on->lanes();
    }
  }
  std::optional<std::chrono::steady_clock::time_point> cancelled_at;
  while (!gate->wait_for_all(kTick)) {
    const auto now = std::chrono::steady_clock::now();
    if (cancelled && !cancelled_at) cancelled_at = now;
    if (!watch(now).empty()) {
      cancelled = true;  // those that wait for their turn to load need not
    } else if (cancelled_at && now - *cancelled_at >= kGrace) {
      abandon_all();
    }
  }
  auto failure = gate->failure();
  gate->open(!failure);
  return failure;
}

std::vector<std::string> DeviceExecutor::Impl::watch(DeviceLanes::Clock::time_point at) {
  std::vector<std::string> found;
  for (const auto& stage : stages) {
    for (const auto& on : stage->devices) on->abandon_hung(at, found);
  }
  return found;
}

void DeviceExecutor::Impl::abandon_all() {
  for (const auto& stage : stages) {
    for (const auto& on : stage->devices) on->abandon_all();
  }
}

void DeviceExecutor::Impl::cancel() {
  cancelled = true;
  for (const auto& stage : stages) stage->close(cancelled_error());
}

void DeviceExecutor::Impl::join() {
  for (const auto& stage : stages) {
    for (const auto& on : stage->devices) {
      while (!on->join(kTick)) watch(DeviceLanes::Clock::now());
    }
  }
}

DeviceExecutor::DeviceExecutor(std::vector<DeviceStagePlan> stages)
    : impl_(std::make_shared<Impl>(std::move(stages))) {}

DeviceExecutor::~DeviceExecutor() { stop(); }

std::optional<Error> DeviceExecutor::start() {
  const std::lock_guard lock(impl_->lifecycle);
  if (impl_->cancelled) return cancelled_error();
  if (impl_->started) return std::nullopt;
  auto failure = impl_->make_runtimes();
  if (!failure) failure = impl_->start_lanes(impl_);
  if (failure) {
    impl_->cancel();
    impl_->join();
    return failure;
  }
  impl_->started = true;
  return std::nullopt;
}

void DeviceExecutor::submit(std::size_t stage, DeviceJob job) {
  Impl::Stage& to = *impl_->stages.at(stage);
  LaneJob waiting{std::move(job), 0, nullptr, 0};
  std::optional<Error> failure;
  try {
    waiting.length = to.plan.prototype->length(waiting.job.payload);
    if (to.queue.push(waiting)) return;
    failure = to.why_closed();
  } catch (...) {
    failure = error_from_exception();
  }
  waiting.job.done(*std::move(failure), 0);
}

void DeviceExecutor::flush() {
  for (const auto& stage : impl_->stages) stage->queue.flush();
}

void DeviceExecutor::longest_first() {
  for (const auto& stage : impl_->stages) stage->queue.longest_first();
}

void DeviceExecutor::cancel() { impl_->cancel(); }

std::vector<std::string> DeviceExecutor::watch(std::chrono::steady_clock::time_point at) {
  return impl_->watch(at);
}

void DeviceExecutor::abandon() {
  impl_->cancel();
  impl_->abandon_all();
}

int DeviceExecutor::stuck() const {
  int stuck = 0;
  for (const auto& stage : impl_->stages) {
    for (const auto& on : stage->devices) stuck += on->stuck();
  }
  return stuck;
}

std::vector<DeviceExecutor::DeviceNow> DeviceExecutor::now(std::size_t stage) const {
  std::vector<DeviceNow> rows;
  for (const auto& on : impl_->stages.at(stage)->devices) rows.push_back(on->now());
  return rows;
}

void DeviceExecutor::stop() {
  const std::lock_guard lock(impl_->lifecycle);
  impl_->cancel();
  impl_->join();
}

std::size_t DeviceExecutor::queued(std::size_t stage) const {
  return impl_->stages.at(stage)->queue.size();
}

std::optional<DeviceExecutor::Running> DeviceExecutor::oldest_running(std::size_t stage) const {
  const auto now = DeviceLanes::Clock::now();
  std::optional<Running> oldest;
  for (const auto& on : impl_->stages.at(stage)->devices) {
    auto running = on->oldest_running(now);
    if (running && (!oldest || running->seconds > oldest->seconds)) oldest = std::move(running);
  }
  return oldest;
}

std::vector<DeviceUse> DeviceExecutor::use(std::size_t stage) const {
  std::vector<DeviceUse> rows;
  for (const auto& on : impl_->stages.at(stage)->devices) rows.push_back(on->use());
  return rows;
}

}  // namespace flowtts
