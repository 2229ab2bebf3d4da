#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <flowtts/pipeline.h>

#include "core/graph/record.h"
#include "core/run/run_state.h"

namespace flowtts {

/// What a stage made of an item, for a person to read.
std::string outcome_text(const Result<AnyPayload>& result);
std::string outcome_text(const Result<std::vector<AnyPayload>>& result);

/// A fatal error names its stage, since it is all that will be heard of it.
Error at_stage(const PipelineStage& stage, Error error);

/// Whether a stage's call that has failed is to be made again; counts it.
bool may_retry(const RunState& state, StageStats& stats, const Error& error, int attempt);

/// A thread's way through one stage after another.
struct Walk {
  Clock::time_point now;   ///< Read at the end of each stage, which is the beginning of the next.
  std::size_t thread = 0;  ///< Its number among the graph's threads.
};

/// Runs one stage's work on packets: calls the stage, again where it may, and ends each packet or
/// makes it what goes on, with all that is to be counted and told. The same for every node: how
/// what goes on reaches the followers is not known here.
///
/// Thread-safe as far as the stage is. Outlives every packet.
class StageRunner {
 public:
  StageRunner(PipelineStage& stage, std::size_t index, RunState& state)
      : stage_(stage), index_(index), state_(state), stats_(state.stats(index)) {}

  const PipelineStage& stage() const { return stage_; }
  std::size_t index() const { return index_; }
  StageStats& stats() { return stats_; }

  /// How a packet gets back to the device stage that makes another take of it.
  void send_back_by(std::function<void(PacketPtr)> send) { send_back_ = std::move(send); }

  /// map, filter, sink and record filters inside the flow. The packet's record outlives the call.
  /// \return what goes on, for all followers; null where the item has ended or went back.
  PacketPtr process(PacketPtr packet, Walk& walk);
  /// expand: the children.
  std::vector<PacketPtr> expand(PacketPtr packet, Walk& walk);

  // --- for stages whose work is done elsewhere ---------------------------------------------------

  Item item(const Claim& claim, int attempt) const;
  /// Nothing new is begun once the run is cancelled: ends the claim then.
  bool refuse_if_cancelled(Claim& claim, int attempts = 1);
  /// Whether the same call is to be made again; counts it.
  bool may_retry(const Error& error, int attempt);
  /// Whether the item is to be made anew rather than to end with this error, unless the run is
  /// cancelled; counts it.
  bool may_retake(const Error& error, const Claim& claim);
  /// Ends the claim, or makes it what goes on. `made` is counted by who calls the stage.
  PacketPtr settle(Claim claim, Result<AnyPayload> result, int attempts);
  std::vector<PacketPtr> settle(Claim claim, Result<std::vector<AnyPayload>> result, int attempts);

 private:
  template <class Made, class Out>
  Out work(PacketPtr packet, Walk& walk);
  template <class Made>
  Result<Made> call(const Claim& claim, int attempt);
  bool wants_retake(const Error& error, const Claim& claim) const;
  template <class Made>
  bool ended(Claim& claim, const Result<Made>& result, int attempts);
  void finish(Claim claim, Ending ending, const Result<bool>& outcome, int attempts);

  PipelineStage& stage_;
  const std::size_t index_;
  RunState& state_;
  StageStats& stats_;
  std::function<void(PacketPtr)> send_back_;  ///< Where `retaken_at` says where to.
};

}  // namespace flowtts
