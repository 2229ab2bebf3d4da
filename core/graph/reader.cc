#include "core/graph/reader.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/exceptions.h"
#include "core/graph/stage_runner.h"

namespace flowtts {

void Reader::read(const std::function<void(const PacketPtr&)>& send) {
  const KeepRecord keep_record = [this](const RecordKey& key) { return keep_when_made(key); };
  std::string reading = "the first record";  // its memory is used again for every record
  try {
    while (!reading_.stop_requested()) {
      std::optional<AnySourceRecord> next;
      {
        const StageStats::Working working(state_.stats(at_.source), reading);
        next = stages_[at_.source].stage->next(keep_record);
      }
      if (!next || reading_.stop_requested()) break;
      reading.assign("the record after ").append(next->key.id);
      std::size_t made_by = at_.source;
      if (may_enter(*next, made_by) && !enter(*std::move(next), made_by, send)) break;
    }
  } catch (...) {
    Error error = error_from_exception();
    error.message = fmt::format("cannot read on: {}", error.message);
    state_.fail(at_stage(stages_[at_.source], std::move(error)));
  }
}

/// Whether an earlier session has done the record, which is then counted. A record of that place
/// that says something else ends the run.
bool Reader::is_done(const RecordKey& key) {
  const DoneRecord* record = done_.find(key.index);
  const bool changed = record && record->content_hash != key.content_hash;
  if (!record || (changed && done_.changed_are_new())) return false;
  if (changed) {
    state_.fail(at_stage(
        stages_[at_.source],
        {"input_changed", fmt::format("record {} ('{}') is not the one that an earlier session of "
                                      "this run has done: the input has changed",
                                      key.index, key.id)}));
    return true;
  }
  state_.record_done_before(*record);
  return true;
}

/// Whether a record is to be made: it is not done yet, and the record filters that stand directly
/// behind the source keep it.
bool Reader::keep(const RecordKey& key, Asked& failed) {
  if (!state_.is_wanted(key) || is_done(key)) return false;
  for (const std::size_t filter : at_.filters) {
    StageStats& stats = state_.stats(filter);
    stats.add_received();
    bool kept = true;
    try {
      kept = stages_[filter].stage->keep(key, state_.settings().seed);
    } catch (...) {
      stats.failed.fetch_add(1, std::memory_order_relaxed);
      failed = FilterError{filter, error_from_exception()};
      break;
    }
    if (!kept) {
      state_.record_read();
      state_.record_not_kept(filter);
      return false;
    }
    stats.add_made();
  }
  return true;
}

/// The same for a source that asks: the answer waits for the record.
bool Reader::keep_when_made(const RecordKey& key) {
  state_.stats(at_.source).touch();
  // An interrupted source is let go at the next record, which is then not counted.
  if (reading_.stop_requested()) return true;
  Asked failed;
  if (!keep(key, failed)) return false;
  asked_.emplace(key.index, std::move(failed));
  return true;
}

/// Whether a record that the source has made may enter; a source that does not ask about its
/// records is asked about them here. Where a filter failed, so does the record.
bool Reader::may_enter(AnySourceRecord& record, std::size_t& made_by) {
  const auto answer = asked_.find(record.key.index);
  const bool asked = answer != asked_.end();
  Asked failed;
  if (asked) {
    failed = std::move(answer->second);
    asked_.erase(answer);
  }
  if (!record.payload.ok()) {
    const bool ends_run = record.payload.is_error() && record.payload.error().fatal;
    return ends_run || (state_.is_wanted(record.key) && !is_done(record.key));
  }
  if (!asked && !keep(record.key, failed)) return false;
  if (failed) {
    made_by = failed->filter;
    record.payload = std::move(failed->error);
  }
  return true;
}

/// \param made_by the source, or a record filter that failed.
bool Reader::enter(AnySourceRecord next, std::size_t made_by,
                   const std::function<void(const PacketPtr&)>& send) {
  if (next.payload.is_error() && next.payload.error().fatal) {
    state_.fail(at_stage(stages_[at_.source], next.payload.error()));
    return false;
  }
  AnyPayload origin = next.payload.ok() ? std::move(next.payload.value()) : AnyPayload();
  bool granted = false;
  const std::uint64_t bytes = state_.credits().acquire(weight(origin), reading_, granted);
  if (!granted) return false;
  state_.record_read();
  state_.items_made(1);
  state_.stats(at_.source).add_made();
  auto record = make_record(std::move(next.key), next.offset, origin, gathers_, state_.credits(),
                            listener_, entered_++);
  if (!next.payload.ok()) {
    Result<bool> outcome(true);
    Ending ending = Ending::kFailed;
    if (next.payload.is_error()) {
      outcome = next.payload.error();
    } else {
      outcome = next.payload.filtered();
      ending = Ending::kFiltered;
    }
    state_.record_not_made(*record, stages_[made_by].id, ending, outcome);
    record->end(ending, EndedItem{{}, stages_[made_by].id, AnyPayload(), outcome}, {}, bytes);
    return true;
  }
  const auto followers = static_cast<std::uint32_t>(stages_[at_.last()].followers.size());
  if (followers > 1) {
    record->add_living(followers - 1);
    state_.items_made(followers - 1);
  }
  send(make_packet(std::move(record), std::move(origin), std::vector<std::uint32_t>(), followers,
                   bytes));
  return true;
}

/// The bytes that a record takes at its largest, by the stages' estimates.
std::uint64_t Reader::weight(const AnyPayload& origin) const {
  const double most = static_cast<double>(state_.settings().memory_limit.bytes);
  const double estimate = static_cast<double>(origin.bytes()) * stages_[at_.source].growth_after;
  return static_cast<std::uint64_t>(estimate < most ? std::max(estimate, 1.0) : most);
}

}  // namespace flowtts
