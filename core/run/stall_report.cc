#include "core/run/stall_report.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/graph/credits.h"

namespace flowtts {
namespace {

std::string counted(std::int64_t count, const char* thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string reader(const RunState& state, const StageStats& stats) {
  const Credits& credits = state.credits();
  const Credits::Use use = credits.use();
  std::string text = "not reading";
  if (stats.working() > 0) text = "reading: waits for its input";
  if (credits.awaited()) text = "waits for credits";
  constexpr double kMiB = 1 << 20;
  return text + fmt::format("; in flight are {} of {} records and {:.1f} of {:.1f} MiB",
                            use.records, credits.max_records(),
                            static_cast<double>(use.bytes) / kMiB,
                            static_cast<double>(credits.max_bytes()) / kMiB);
}

std::string cpu_stage(const StageStats& stats) {
  const std::int64_t waiting = std::max<std::int64_t>(0, stats.queued());
  const std::int64_t inside = stats.working();
  if (waiting == 0 && inside == 0) return "empty";
  return fmt::format("{} waiting, {} in it, which takes {}", counted(waiting, "item"), inside,
                     stats.threads());
}

std::string device_stage(const StageStats& stats, const DeviceExecutor& executor,
                         std::size_t number) {
  std::string text = stats.queued() <= 0
                         ? std::string("empty")
                         : fmt::format("{}, {} of them waiting for a lane",
                                       counted(stats.queued(), "item"), executor.queued(number));
  for (const auto& device : executor.now(number)) {
    text += fmt::format("; {}: ", device.device.text());
    if (!device.lost.empty()) {
      text += "lost";
      continue;
    }
    text += fmt::format("{} of {} busy", device.busy, counted(device.lanes, "lane"));
    if (device.prepared > 0) text += fmt::format(", {} prepared", device.prepared);
    if (device.stuck > 0) text += fmt::format(", {} given up", device.stuck);
  }
  return text;
}

}  // namespace

std::string stall_report(const RunState& state, const DeviceExecutor* executor) {
  std::string text;
  std::size_t devices = 0;
  const auto& stages = state.pipeline().stages();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageKind kind = stages[i].type->kind;
    if (stages[i].in_reader || stages[i].in_lane) continue;  // part of the stage before
    const StageStats& stats = state.stats(i);
    std::string line;
    if (kind == StageKind::kSource) {
      line = reader(state, stats);
    } else if (kind == StageKind::kDevice && executor) {
      line = device_stage(stats, *executor, devices++);
    } else {
      line = cpu_stage(stats);
    }
    text += fmt::format("\n  {}: {}", stages[i].id, line);
  }
  return text;
}

}  // namespace flowtts
