#include "core/run/monitor.h"

#include <fmt/format.h>

namespace flowtts {
namespace {

constexpr auto kTick = std::chrono::milliseconds(50);
constexpr double kActivityEvery = 0.5;  // seconds; the driver measures as slowly

std::vector<DeviceId> devices_of(const RunState& state) {
  std::vector<DeviceId> devices;
  for (const PipelineStage& stage : state.pipeline().stages()) {
    devices.insert(devices.end(), stage.devices.begin(), stage.devices.end());
  }
  return devices;
}

}  // namespace

Monitor::Monitor(RunState& state, DeviceExecutor* executor, const RunOptions& options)
    : state_(state),
      executor_(executor),
      options_(options),
      activity_(devices_of(state)),
      last_activity_(Clock::now()),
      last_progress_(Clock::now()),
      thread_([this] { watch(); }) {}

void Monitor::finish() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  look_for_lost_devices();
  report_progress();
}

void Monitor::watch() {
  const std::stop_token end = thread_.get_stop_token();
  while (!end.stop_requested()) {
    look_for_stop();
    look_for_stalls();
    if (executor_ && state_.cancelled()) executor_->cancel();
    if (seconds_since(last_activity_) >= kActivityEvery) {
      last_activity_ = Clock::now();
      activity_.sample();
      look_for_lost_devices();
    }
    if (seconds_since(last_progress_) >= options_.progress_every_s) {
      last_progress_ = Clock::now();
      report_progress();
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, end, kTick, [] { return false; });
  }
}

void Monitor::report_progress() {
  double share = -1;
  const auto& stages = state_.pipeline().stages();
  for (const PipelineStage& stage : stages) {
    if (stage.type->kind == StageKind::kSource) share = stage.stage->fraction();
  }
  state_.progress(state_.snapshot(share));
}

void Monitor::look_for_stop() {
  if (!interrupted_ && options_.stop.stop_requested()) {
    interrupted_ = true;
    interrupted_at_ = Clock::now();
    state_.stop_reading();
    state_.message(MessageLevel::kWarning,
                   fmt::format("interrupted: finishing what is in flight, at most {} s",
                               state_.settings().drain_s));
  }
  if (!interrupted_ || state_.cancelled()) return;
  if (seconds_since(interrupted_at_) >= state_.settings().drain_s) state_.cancel();
}

void Monitor::look_for_lost_devices() {
  if (!executor_) return;
  std::size_t number = 0;
  for (const PipelineStage& stage : state_.pipeline().stages()) {
    if (stage.type->kind != StageKind::kDevice) continue;
    for (const DeviceUse& use : executor_->use(number++)) {
      if (use.lost.empty() || !lost_.insert(use.device.id).second) continue;
      state_.message(MessageLevel::kError,
                     fmt::format("stage '{}': {} is lost, its work goes to the other devices: {}",
                                 stage.id, use.device.id.text(), use.lost));
    }
  }
}

std::optional<StageStats::Oldest> Monitor::oldest_work(std::size_t stage) const {
  const auto& stages = state_.pipeline().stages();
  if (stages[stage].type->kind != StageKind::kDevice || !executor_) {
    return state_.stats(stage).oldest();
  }
  std::size_t number = 0;
  for (std::size_t i = 0; i < stage; ++i) {
    if (stages[i].type->kind == StageKind::kDevice) ++number;
  }
  const auto running = executor_->oldest_running(number);
  if (!running) return std::nullopt;
  return StageStats::Oldest{running->seconds, running->record_id + " on " + running->device.text()};
}

std::string Monitor::edges_of(std::size_t stage) const {
  const auto& stages = state_.pipeline().stages();
  // Of what is counted at a stage, some may be in it and the rest waits before it.
  std::string edges = fmt::format("items at it: {}", state_.stats(stage).queued());
  for (const std::size_t follower : stages[stage].followers) {
    edges += fmt::format(", at '{}': {}", stages[follower].id, state_.stats(follower).queued());
  }
  return edges;
}

void Monitor::look_for_stalls() {
  const auto& stages = state_.pipeline().stages();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const auto oldest = oldest_work(i);
    const bool stalls = oldest && oldest->seconds >= state_.settings().stall_after_s;
    if (!stalls) {
      stalled_.erase(i);
      continue;
    }
    if (!stalled_.insert(i).second) continue;
    const bool reads = stages[i].type->kind == StageKind::kSource;
    state_.message(MessageLevel::kWarning,
                   fmt::format("stage '{}' has been {} {} for {:.1f} s; {}", stages[i].id,
                               reads ? "reading" : "working on record", oldest->record_id,
                               oldest->seconds, edges_of(i)));
  }
}

}  // namespace flowtts
