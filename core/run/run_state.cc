#include "core/run/run_state.h"

#include <algorithm>

#include <flowtts/json.h>

#include "core/run/committer.h"
#include "core/run/output_folder.h"

namespace flowtts {

std::string payload_json(const AnyPayload& payload) {
  try {
    JsonWriter json;
    payload.to_json(json);
    return std::string(json.text());
  } catch (...) {
    return "null";
  }
}

RunState::RunState(const Pipeline& pipeline, const RunOptions& options, OutputFolder* folder)
    : pipeline_(pipeline),
      settings_(pipeline.settings()),
      observer_(options.observer),
      only_record_(options.only_record),
      traces_(options.trace),
      folder_(folder),
      credits_(pipeline.settings().max_in_flight, pipeline.settings().memory_limit.bytes),
      on_stop_(options.stop, Interrupt{this}) {
  for (const PipelineStage& stage : pipeline.stages()) {
    stats_.emplace_back(std::max(1, stage.concurrency));
  }
}

void RunState::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (fatal_) return;
    fatal_ = error;
  }
  stop_reading();
  cancel();
  message(MessageLevel::kError, error.message);
}

std::optional<Error> RunState::fatal() const {
  const std::lock_guard lock(mutex_);
  return fatal_;
}

void RunState::trace(const std::string& stage, const Packet& packet, int attempt,
                     const std::string& what) {
  std::string item = packet.record()->key().id;
  for (const std::uint32_t step : packet.path()) item += '.' + std::to_string(step);
  if (attempt > 1) item += " (attempt " + std::to_string(attempt) + ")";
  message(MessageLevel::kInfo, stage + ": " + item + ": " + what);
}

void RunState::let_go() {
  const std::lock_guard lock(observer_mutex_);
  observer_ = nullptr;
}

void RunState::message(MessageLevel level, const std::string& text) {
  if (folder_) folder_->log(text);
  const std::lock_guard lock(observer_mutex_);
  if (observer_) observer_->message(level, text);
}

void RunState::log(const std::string& text) {
  if (folder_) folder_->log(text);
}

void RunState::progress(const RunProgress& progress) {
  const std::lock_guard lock(observer_mutex_);
  if (observer_) observer_->progress(progress);
}

void RunState::add_media(Record& record, double seconds) {
  if (seconds == 0) return;
  record.tally_media(seconds);
  const std::lock_guard lock(mutex_);
  media_seconds_ += seconds;
}

void RunState::record_not_kept(std::size_t stage) {
  stats_[stage].filtered.fetch_add(1, std::memory_order_relaxed);
}

void RunState::record_settled(const Record& record, Ending status) {
  records_.add(status);
  if (!committer_ || status == Ending::kCancelled) return;
  committer_->settled({record.key().index, record.key().content_hash, status, record.tally()});
}

void RunState::record_done_before(const DoneRecord& record) {
  record_read();
  records_done_before_.fetch_add(1, std::memory_order_relaxed);
  records_.add(record.status);
  const RecordTally& items = record.items;
  items_.add(Ending::kWritten, items.written);
  items_.add(Ending::kFiltered, items.filtered);
  items_.add(Ending::kFailed, items.failed);
  items_made(std::int64_t{items.written} + items.filtered + items.failed);
  const std::lock_guard lock(mutex_);
  media_seconds_ += items.media_seconds;
  for (const auto& [reason, times] : items.filtered_by) filtered_items_[reason] += times;
  for (const auto& [code, times] : items.failed_by) failed_items_[code] += times;
}

void RunState::count_item(Record& record, Ending ending, const Result<bool>& outcome) {
  items_.add(ending);
  record.tally(ending, outcome);
  if (ending != Ending::kFiltered && ending != Ending::kFailed) return;
  const std::lock_guard lock(mutex_);
  if (ending == Ending::kFiltered) {
    filtered_items_[outcome.filtered().reason] += 1;
  } else {
    failed_items_[outcome.error().code] += 1;
  }
}

void RunState::item_ended(const Packet& packet, const std::string& stage, Ending ending,
                          const Result<bool>& outcome, int attempts, int takes) {
  count_item(*packet.record(), ending, outcome);
  if (ending != Ending::kFailed) return;
  dead_letter(*packet.record(), packet.path(), packet.payload(), stage, outcome.error(), attempts,
              takes);
}

void RunState::item_retaken(const std::string& code) {
  const std::lock_guard lock(mutex_);
  retaken_items_[code] += 1;
}

void RunState::items_warned(const std::string& code, const std::string& message,
                            std::uint64_t items) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    const auto [place, added] = warned_items_.try_emplace(code, 0);
    place->second += items;
    first = added;
  }
  const std::string text = code + ": " + message;
  if (first) {
    this->message(MessageLevel::kWarning, text + " (further ones are counted, and in the log)");
  } else if (folder_) {
    folder_->log(text);
  }
}

void RunState::record_not_made(Record& record, const std::string& stage, Ending ending,
                               const Result<bool>& outcome) {
  count_item(record, ending, outcome);
  if (ending == Ending::kFailed) dead_letter(record, {}, AnyPayload(), stage, outcome.error(), 1);
}

void RunState::gather_failed(const Packet& trigger, const std::string& stage, const Error& error,
                             int attempts) {
  dead_letter(*trigger.record(), {}, trigger.record()->origin(), stage, error, attempts);
}

void RunState::dead_letter(const Record& record, const std::vector<std::uint32_t>& path,
                           const AnyPayload& payload, const std::string& stage, const Error& error,
                           int attempts, int takes) {
  if (!folder_ || abandoned()) return;
  JsonWriter json;
  json.begin_object()
      .field("index", record.key().index)
      .field("id", record.key().id)
      .field("offset", record.offset())
      .field("stage", stage)
      .field("attempts", attempts);
  if (takes > 1) json.field("takes", takes);
  json.field("error", error.code).field("message", error.message);
  json.key("path").begin_array();
  for (const std::uint32_t step : path) json.value(step);
  json.end_array();
  json.key("item");
  if (payload) {
    json.begin_object().field("type", payload.info().name).key("payload");
    json.raw(payload_json(payload)).end_object();
  } else {
    json.null();
  }
  json.end_object();
  if (const auto failed = folder_->append_failure(json.text())) fail(*failed);
}

std::vector<StageReport> RunState::stage_reports() const {
  std::vector<StageReport> reports;
  for (std::size_t i = 0; i < stats_.size(); ++i) {
    const PipelineStage& stage = pipeline_.stages()[i];
    StageReport report;
    report.id = stage.id;
    report.type = stage.type->spec.name;
    report.received = stats_[i].received();
    report.made = stats_[i].made();
    report.filtered = stats_[i].filtered.load();
    report.failed = stats_[i].failed.load();
    report.retried = stats_[i].retried.load();
    report.retakes = stats_[i].retakes.load();
    report.busy_seconds = stats_[i].busy_seconds();
    // What is with a device is among what waits, and a source reads, which is no item yet.
    const StageKind kind = stage.type->kind;
    const bool counted = kind == StageKind::kDevice || kind == StageKind::kSource;
    const std::int64_t inside = counted ? 0 : stats_[i].working();
    report.queued =
        static_cast<std::uint64_t>(inside + std::max<std::int64_t>(0, stats_[i].queued()));
    report.queued_most = static_cast<std::uint64_t>(stats_[i].queued_most());
    reports.push_back(std::move(report));
  }
  return reports;
}

RunReport RunState::report() const {
  RunReport report;
  std::uint64_t not_kept = 0;
  for (std::size_t i = 0; i < stats_.size(); ++i) {
    const PipelineStage& stage = pipeline_.stages()[i];
    if (!stage.in_reader) continue;
    const std::uint64_t filtered = stats_[i].filtered.load();
    if (filtered > 0) report.filtered_records[stage.id] = filtered;
    not_kept += filtered;
  }
  {
    const std::lock_guard lock(mutex_);
    report.filtered_items = filtered_items_;
    report.failed_items = failed_items_;
    report.retaken_items = retaken_items_;
    report.warned_items = warned_items_;
    report.media_seconds = media_seconds_;
    report.error = fatal_;
  }
  report.records = records_.ledger();
  report.items = items_.ledger();
  report.records.filtered += not_kept;
  report.records.read = records_read_.load();
  report.records_done_before = records_done_before_.load();
  report.items.read = static_cast<std::uint64_t>(items_made_.load());
  if (abandoned()) {
    const auto leave = [](Ledger& ledger) {
      const std::uint64_t ended = ledger.written + ledger.filtered + ledger.failed;
      ledger.unfinished = ledger.read > ended ? ledger.read - ended : 0;
    };
    leave(report.records);
    leave(report.items);
  }
  report.seconds = seconds();
  const Credits::Use use = credits_.use();
  report.most_bytes_in_flight = use.most_bytes;
  report.most_records_in_flight = use.most_records;
  report.stages = stage_reports();
  return report;
}

RunProgress RunState::snapshot(double input_share) const {
  RunReport report = this->report();
  RunProgress progress;
  progress.seconds = report.seconds;
  progress.input_share = input_share;
  progress.records = report.records;
  const Ledger& records = report.records;
  const std::uint64_t settled = records.written + records.filtered + records.failed;
  progress.records.unfinished = records.read > settled ? records.read - settled : 0;
  progress.items = report.items;
  progress.media_seconds = report.media_seconds;
  progress.stages = std::move(report.stages);
  return progress;
}

}  // namespace flowtts
