#include "core/graph/layout.h"

#include <algorithm>
#include <thread>

namespace flowtts {
namespace {

/// Whether threads of the graph work at the stage, on one item at a time.
bool works_in_thread(const PipelineStage& stage) {
  if (stage.in_reader || stage.in_lane) return false;
  const StageKind kind = stage.type->kind;
  return kind != StageKind::kSource && kind != StageKind::kGather && kind != StageKind::kDevice;
}

}  // namespace

std::vector<std::size_t> flow_order(const std::vector<PipelineStage>& stages) {
  std::vector<std::size_t> missing(stages.size()), order;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    missing[i] = stages[i].from.size();
    if (missing[i] == 0) order.push_back(i);
  }
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const std::size_t follower : stages[order[next]].followers) {
      if (--missing[follower] == 0) order.push_back(follower);
    }
  }
  return order;
}

int automatic_threads(const std::vector<PipelineStage>& stages) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  int lanes = 0;
  for (const PipelineStage& stage : stages) {
    for (const DeviceId device : stage.devices) {
      if (device.kind == DeviceKind::kCuda) lanes += stage.lanes_on(device);
    }
  }
  return std::max({1, cores / 2, cores - lanes});
}

bool goes_on_in_thread(const std::vector<PipelineStage>& stages, std::size_t stage) {
  if (!works_in_thread(stages[stage]) || stages[stage].from.size() != 1) return false;
  const PipelineStage& before = stages[stages[stage].from.front()];
  return works_in_thread(before) && before.type->kind != StageKind::kExpand &&
         before.followers.size() == 1;
}

}  // namespace flowtts
