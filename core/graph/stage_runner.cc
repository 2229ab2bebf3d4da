#include "core/graph/stage_runner.h"

#include <optional>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "core/exceptions.h"

namespace flowtts {
namespace {

template <class Made>
std::string no_value_text(const Result<Made>& result) {
  if (result.is_filtered()) return "filtered: " + result.filtered().reason;
  return result.error().code + ": " + result.error().message;
}

std::uint64_t count_of(const AnyPayload& made) { return made ? 1 : 0; }
std::uint64_t count_of(const std::vector<AnyPayload>& made) { return made.size(); }

}  // namespace

std::string outcome_text(const Result<AnyPayload>& result) {
  if (!result.ok()) return no_value_text(result);
  if (!*result) return "done";
  return fmt::format("{} {}", result->info().name, payload_json(*result));
}

std::string outcome_text(const Result<std::vector<AnyPayload>>& result) {
  if (!result.ok()) return no_value_text(result);
  std::string text = fmt::format("{} items", result->size());
  for (const AnyPayload& one : *result) text += "\n  " + payload_json(one);
  return text;
}

Error at_stage(const PipelineStage& stage, Error error) {
  error.message = fmt::format("stage '{}': {}", stage.id, error.message);
  return error;
}

bool may_retry(const RunState& state, StageStats& stats, const Error& error, int attempt) {
  if (!error.retryable || error.fatal || attempt > state.settings().retries) return false;
  stats.retried.fetch_add(1, std::memory_order_relaxed);
  return true;
}

PacketPtr StageRunner::process(PacketPtr packet, Walk& walk) {
  return work<AnyPayload, PacketPtr>(std::move(packet), walk);
}

std::vector<PacketPtr> StageRunner::expand(PacketPtr packet, Walk& walk) {
  return work<std::vector<AnyPayload>, std::vector<PacketPtr>>(std::move(packet), walk);
}

/// \tparam Made what the stage's call returns: a payload or several.
/// \tparam Out  the packets that carry it.
template <class Made, class Out>
Out StageRunner::work(PacketPtr packet, Walk& walk) {
  const std::string& record_id = packet->record()->key().id;
  Claim claim(std::move(packet), index_);
  StageStats::Working working(stats_, record_id, walk.now, walk.thread);
  working.add_received();
  Out out{};
  if (!refuse_if_cancelled(claim)) {
    int attempt = 1;
    Result<Made> result = call<Made>(claim, attempt);
    while (result.is_error() && !state_.cancelled() && may_retry(result.error(), attempt)) {
      result = call<Made>(claim, ++attempt);
    }
    if (result.is_error() && may_retake(result.error(), claim)) {
      send_back_(claim.send_back());
    } else {
      if (result.ok()) working.add_made(count_of(*result));
      out = settle(std::move(claim), std::move(result), attempt);
    }
  }
  walk.now = working.end();
  return out;
}

template <class Made>
Result<Made> StageRunner::call(const Claim& claim, int attempt) {
  const Packet& packet = claim.packet();
  try {
    if constexpr (std::is_same_v<Made, AnyPayload>) {
      if (stage_.type->kind != StageKind::kRecordFilter) {
        return stage_.stage->process(packet.payload(), item(claim, attempt));
      }
      if (!stage_.stage->keep(packet.record()->key(), state_.settings().seed)) {
        return Filtered{stage_.id};
      }
      return packet.payload();
    } else {
      return stage_.stage->expand(packet.payload(), item(claim, attempt));
    }
  } catch (...) {
    return error_from_exception();
  }
}

Item StageRunner::item(const Claim& claim, int attempt) const {
  const Packet& packet = claim.packet();
  return {packet.record()->key(), packet.path(), state_.settings().seed, attempt, claim.take()};
}

bool StageRunner::refuse_if_cancelled(Claim& claim, int attempts) {
  if (!state_.cancelled()) return false;
  finish(std::move(claim), Ending::kCancelled, Error{"cancelled", "the run was ended"}, attempts);
  return true;
}

bool StageRunner::may_retry(const Error& error, int attempt) {
  return flowtts::may_retry(state_, stats_, error, attempt);
}

bool StageRunner::wants_retake(const Error& error, const Claim& claim) const {
  return error.retake && !error.fatal && stage_.retaken_at &&
         claim.take() <= state_.settings().retakes;
}

bool StageRunner::may_retake(const Error& error, const Claim& claim) {
  if (state_.cancelled() || !wants_retake(error, claim)) return false;
  stats_.retakes.fetch_add(1, std::memory_order_relaxed);
  state_.item_retaken(error.code);
  return true;
}

/// Ends the claim where nothing was made of its packet.
template <class Made>
bool StageRunner::ended(Claim& claim, const Result<Made>& result, int attempts) {
  if (state_.traces()) state_.trace(stage_.id, claim.packet(), attempts, outcome_text(result));
  if (result.ok()) return false;
  if (result.is_filtered()) {
    stats_.filtered.fetch_add(1, std::memory_order_relaxed);
    finish(std::move(claim), Ending::kFiltered, result.filtered(), attempts);
    return true;
  }
  // An item that would have had another take is as unfinished as one that has not begun.
  const bool cancelled = state_.cancelled() && (result.error().code == "cancelled" ||
                                                wants_retake(result.error(), claim));
  finish(std::move(claim), cancelled ? Ending::kCancelled : Ending::kFailed, result.error(),
         attempts);
  return true;
}

PacketPtr StageRunner::settle(Claim claim, Result<AnyPayload> result, int attempts) {
  if (ended(claim, result, attempts)) return nullptr;
  AnyPayload made = std::move(result).value();  // empty where the stage is a sink
  const auto followers = static_cast<std::uint32_t>(stage_.followers.size());
  if (followers == 0 || !made) {
    state_.add_media(claim.record(), made ? made.seconds() : claim.packet().payload().seconds());
    finish(std::move(claim), Ending::kWritten, true, 1);
    return nullptr;
  }
  if (followers > 1) state_.items_made(followers - 1);
  return claim.pass_on(std::move(made), followers, stage_.growth_after, stage_.may_come_back);
}

std::vector<PacketPtr> StageRunner::settle(Claim claim, Result<std::vector<AnyPayload>> result,
                                           int attempts) {
  if (ended(claim, result, attempts)) return {};
  std::vector<AnyPayload> made = std::move(result).value();
  const auto followers = static_cast<std::uint32_t>(stage_.followers.size());
  if (followers == 0 || made.empty()) {
    for (const AnyPayload& last : made) state_.add_media(claim.record(), last.seconds());
    finish(std::move(claim), Ending::kWritten, true, 1);
    return {};
  }
  state_.items_made(static_cast<std::int64_t>(made.size() * followers) - 1);
  return claim.divide(std::move(made), followers, stage_.growth_after);
}

void StageRunner::finish(Claim claim, Ending ending, const Result<bool>& outcome, int attempts) {
  if (outcome.is_error() && outcome.error().fatal) {
    state_.fail(at_stage(stage_, outcome.error()));
    ending = Ending::kCancelled;  // the item itself did nothing wrong
  }
  if (ending == Ending::kFailed) stats_.failed.fetch_add(1, std::memory_order_relaxed);
  state_.item_ended(claim.packet(), stage_.id, ending, outcome, attempts, claim.take());
  claim.end(ending, stage_.id, outcome);
}

}  // namespace flowtts
