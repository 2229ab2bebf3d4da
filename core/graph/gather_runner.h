#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include <flowtts/pipeline.h>

#include "core/graph/record.h"
#include "core/run/run_state.h"

namespace flowtts {

/// Runs a gather: items wait in their record until it is complete; its trigger then calls the
/// stage.
///
/// Threads: one call at a time.
class GatherRunner {
 public:
  /// \param gather its number among the pipeline's gathers.
  GatherRunner(PipelineStage& stage, std::size_t index, std::size_t gather, RunState& state)
      : stage_(stage), index_(index), gather_(gather), state_(state), stats_(state.stats(index)) {}

  const PipelineStage& stage() const { return stage_; }
  StageStats& stats() { return stats_; }

  /// An item, or the trigger of a record that is complete.
  /// \return what goes on, for all followers; a gather that is in order may complete several
  /// records at once.
  std::vector<PacketPtr> process(const PacketPtr& packet);

  /// Once the graph is empty: of a run that was cancelled, records may wait for one that never
  /// came.
  void cancel_waiting();

 private:
  void complete(Claim claim, std::vector<PacketPtr>& made);
  Result<AnyPayload> call(const Claim& claim, const AnyGathered& all, int attempt);
  void finish(Claim claim, const Result<AnyPayload>& result, int attempts);

  PipelineStage& stage_;
  const std::size_t index_;
  const std::size_t gather_;
  RunState& state_;
  StageStats& stats_;
  // Of a gather that is in order.
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, Claim> waiting_;  ///< Complete records, by their sequence.
};

}  // namespace flowtts
