#include "core/graph/gather_runner.h"

#include <utility>

#include "core/exceptions.h"
#include "core/graph/stage_runner.h"

namespace flowtts {

std::vector<PacketPtr> GatherRunner::process(const PacketPtr& packet) {
  std::vector<PacketPtr> made;
  Claim claim(packet, index_);
  if (!claim.packet().is_trigger()) {
    stats_.add_received();
    state_.add_media(*packet->record(), packet->payload().seconds());
    state_.item_ended(*packet, stage_.id, Ending::kWritten, true, 1);
    claim.arrive(gather_);
  } else if (!stage_.type->spec.in_order) {
    complete(std::move(claim), made);
  } else {
    const std::uint64_t sequence = claim.record().sequence();
    waiting_.emplace(sequence, std::move(claim));
    while (!waiting_.empty() && waiting_.begin()->first == next_) {
      next_ += 1;
      complete(std::move(waiting_.extract(waiting_.begin()).mapped()), made);
    }
  }
  return made;
}

void GatherRunner::cancel_waiting() {
  for (auto& [sequence, claim] : waiting_) {
    claim.end(Ending::kCancelled, stage_.id, Error{"cancelled", "the run was ended"});
  }
  waiting_.clear();
}

void GatherRunner::complete(Claim claim, std::vector<PacketPtr>& made) {
  if (state_.cancelled()) {
    claim.end(Ending::kCancelled, stage_.id, Error{"cancelled", "the run was ended"});
    return;
  }
  const std::shared_ptr<Record> record = claim.packet().record();  // outlives the watchdog's look
  StageStats::Working working(stats_, record->key().id);
  const AnyGathered all = record->take(gather_);
  int attempt = 1;
  Result<AnyPayload> result = call(claim, all, attempt);
  while (result.is_error() && !state_.cancelled() &&
         may_retry(state_, stats_, result.error(), attempt)) {
    result = call(claim, all, ++attempt);
  }
  if (state_.traces()) state_.trace(stage_.id, claim.packet(), attempt, outcome_text(result));
  if (result.ok()) working.add_made(1);
  const auto followers = static_cast<std::uint32_t>(stage_.followers.size());
  if (!result.ok() || followers == 0) {
    finish(std::move(claim), result, attempt);
    return;
  }
  state_.items_made(followers);
  made.push_back(claim.pass_on(std::move(result).value(), followers, stage_.growth_after));
}

Result<AnyPayload> GatherRunner::call(const Claim& claim, const AnyGathered& all, int attempt) {
  try {
    const Item item{claim.record().key(), claim.packet().path(), state_.settings().seed, attempt};
    return stage_.stage->gather(all, item);
  } catch (...) {
    return error_from_exception();
  }
}

void GatherRunner::finish(Claim claim, const Result<AnyPayload>& result, int attempts) {
  Ending ending = Ending::kWritten;
  if (result.is_filtered()) {
    ending = Ending::kFiltered;
    stats_.filtered.fetch_add(1, std::memory_order_relaxed);
  } else if (result.is_error() && result.error().fatal) {
    ending = Ending::kCancelled;
    state_.fail(at_stage(stage_, result.error()));
  } else if (result.is_error()) {
    ending = Ending::kFailed;
    stats_.failed.fetch_add(1, std::memory_order_relaxed);
    state_.gather_failed(claim.packet(), stage_.id, result.error(), attempts);
  }
  claim.end(ending, stage_.id, true);
}

}  // namespace flowtts
