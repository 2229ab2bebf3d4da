#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/device/executor.h"
#include "core/graph/stage_runner.h"

namespace flowtts {

/// Hands a device stage's items to the executor, and counts them through the maps that run in its
/// lanes when they come back.
///
/// Threads: `submit` on any; answers come on lanes' threads, or on those that deliver for them.
class DeviceRunner {
 public:
  /// Takes what goes on of an item; null where it has ended. Called once an item.
  using Answer = std::function<void(PacketPtr)>;

  /// \param number the stage's among the executor's.
  DeviceRunner(StageRunner& stage, std::size_t number, DeviceExecutor& executor, RunState& state)
      : stage_(stage), number_(number), executor_(executor), state_(state) {}

  StageRunner& stage() { return stage_; }
  /// What leaves the device was made here: by the stage itself, or the last map in its lanes.
  const PipelineStage& last_stage() const {
    return (in_lane_.empty() ? stage_ : *in_lane_.back()).stage();
  }
  /// A map that runs in the lanes, behind those that were added before.
  void add_in_lane(StageRunner& map) { in_lane_.push_back(&map); }

  /// \return whether an answer will come; otherwise the item has ended. Where it throws, there will
  /// be none.
  bool submit(const PacketPtr& packet, Answer answer);

 private:
  struct Work;
  void submit(const std::shared_ptr<Work>& work, int attempt);
  void take_back(const std::shared_ptr<Work>& work, int attempt, Result<AnyPayload> result,
                 std::size_t ended_at);
  StageRunner& count_in_lane(std::size_t ended_at);

  StageRunner& stage_;
  const std::size_t number_;
  DeviceExecutor& executor_;
  RunState& state_;
  std::vector<StageRunner*> in_lane_;
};

}  // namespace flowtts
