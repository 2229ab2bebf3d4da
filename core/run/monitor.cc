#include "core/run/monitor.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/run/stall_report.h"

namespace flowtts {
namespace {

constexpr auto kTick = std::chrono::milliseconds(50);
constexpr double kActivityEvery = 0.5;  // seconds; the driver measures as slowly
/// What is cancelled may take so long, seconds, to come back by itself.
constexpr double kGrace = 2;
/// Between giving up the lanes, which ends all that waits for them, and giving up the graph.
constexpr double kGraphGrace = 0.5;

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
  look_for_stop();  // a short run may have ended before the thread looked
  look_for_lost_devices();
  report_progress();
}

void Monitor::watch() {
  const std::stop_token end = thread_.get_stop_token();
  while (!end.stop_requested()) {
    look_for_stop();
    look_for_stalls();
    look_for_hang();
    look_for_end();
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
  if (!interrupted_at_ && state_.interrupted()) {
    interrupted_at_ = Clock::now();
    state_.message(MessageLevel::kWarning,
                   fmt::format("interrupted: finishing what is in flight, at most {} s",
                               state_.settings().drain_s));
  }
  if (!interrupted_at_ || state_.cancelled()) return;
  if (seconds_since(*interrupted_at_) >= state_.settings().drain_s) state_.cancel();
}

/// Sees to it that a run that has been cancelled ends, whatever its stages do.
void Monitor::look_for_end() {
  if (!state_.cancelled()) return;
  if (!cancelled_at_) {
    cancelled_at_ = Clock::now();
    if (executor_) executor_->cancel();
  }
  double grace = interrupted_at_ ? kGrace : state_.settings().drain_s + kGrace;
  if (hung_) grace = std::min(kGrace, state_.settings().hang_after_s);
  const double seconds = seconds_since(*cancelled_at_);
  if (seconds >= grace && executor_) executor_->abandon();
  if (seconds >= grace + kGraphGrace && !state_.abandoned()) {
    state_.message(MessageLevel::kWarning, "a stage does not come back; the run ends without it" +
                                               stall_report(state_, executor_));
    state_.abandon();
  }
}

void Monitor::look_for_lost_devices() {
  if (!executor_) return;
  std::size_t number = 0;
  const auto& stages = state_.pipeline().stages();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].type->kind != StageKind::kDevice) continue;
    for (const auto& device : executor_->now(number++)) {
      if (device.lost.empty() || !lost_.emplace(i, device.device).second) continue;
      state_.message(MessageLevel::kError,
                     fmt::format("stage '{}': {} is lost, its work goes to the other devices: {}",
                                 stages[i].id, device.device.text(), device.lost));
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
  return StageStats::Oldest{running->seconds, fmt::format("{} on {}, lane {},", running->record_id,
                                                          running->device.text(), running->lane)};
}

void Monitor::look_for_stalls() {
  const auto& stages = state_.pipeline().stages();
  std::string text;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const auto oldest = oldest_work(i);
    if (!oldest || oldest->seconds < state_.settings().stall_after_s) {
      speak_again_.erase(i);
      continue;
    }
    double& again = speak_again_[i];
    if (oldest->seconds < again) continue;
    again = 2 * oldest->seconds;
    const bool reads = stages[i].type->kind == StageKind::kSource;
    text += fmt::format("{}stage '{}' has been {} {} for {:.1f} s", text.empty() ? "" : "; ",
                        stages[i].id, reads ? "reading" : "working on record", oldest->record_id,
                        oldest->seconds);
  }
  if (text.empty()) return;
  state_.message(MessageLevel::kWarning, text + stall_report(state_, executor_));
}

/// Grows whenever anything happens in the graph.
std::uint64_t Monitor::events() const {
  std::uint64_t events = 0;
  for (std::size_t i = 0; i < state_.pipeline().stages().size(); ++i) {
    events += state_.stats(i).events();
  }
  return events;
}

bool Monitor::lanes_busy() const {
  if (!executor_) return false;
  std::size_t number = 0;
  for (const PipelineStage& stage : state_.pipeline().stages()) {
    if (stage.type->kind != StageKind::kDevice) continue;
    for (const auto& device : executor_->now(number++)) {
      if (device.busy > 0) return true;
    }
  }
  return false;
}

void Monitor::look_for_hang() {
  if (executor_) {
    for (const std::string& found : executor_->watch()) {
      state_.message(MessageLevel::kWarning, found);
      moved_ = Clock::now();
    }
  }
  if (const std::uint64_t now = events(); now != events_ || lanes_busy()) {
    events_ = now;
    moved_ = Clock::now();
  }
  const double limit = state_.settings().hang_after_s;
  if (limit <= 0 || hung_ || state_.cancelled() || seconds_since(moved_) < limit) return;
  const auto& stages = state_.pipeline().stages();
  std::size_t at = stages.size();
  std::optional<StageStats::Oldest> oldest;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    auto work = state_.stats(i).oldest();
    if (!work) continue;
    if (stages[i].type->kind == StageKind::kSource) return;  // more may come
    if (oldest && work->seconds <= oldest->seconds) continue;
    at = i;
    oldest = std::move(work);
  }
  if (!oldest || oldest->seconds < limit) return;
  hung_ = true;
  state_.message(MessageLevel::kWarning,
                 fmt::format("nothing has moved for {:.1f} s", seconds_since(moved_)) +
                     stall_report(state_, executor_));
  state_.fail(Error{std::string(kHungCode),
                    fmt::format("stage '{}' has been working on record {} for {:.1f} s, and "
                                "everything else waits for it: the run ends without it "
                                "(run.hang_after_s)",
                                stages[at].id, oldest->record_id, oldest->seconds),
                    false, true});
}

}  // namespace flowtts
