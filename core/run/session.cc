#include "core/run/session.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <set>
#include <system_error>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace flowtts {

std::vector<std::uint64_t> OpeningStages::done() const {
  std::vector<std::uint64_t> indexes;
  indexes.reserve(done_.size());
  for (const auto& [index, record] : done_) indexes.push_back(index);
  return indexes;
}

void OpeningStages::redo(std::uint64_t index, const std::string& why) {
  if (!is_done(index)) return;
  done_.remove(index);
  note(fmt::format("record {} is done again: {}", index, why));
}

std::optional<Error> take_place(const Pipeline& pipeline, const RunOptions& options,
                                RunPlace& place) {
  const std::filesystem::path& output = pipeline.settings().output;
  if (output.empty()) return std::nullopt;
  auto folder = OutputFolder::open(output, place.contents);
  if (!folder.ok()) return folder.error();
  place.folder = *folder;
  place.identity = RunIdentity::of(pipeline);
  if (!place.goes_on()) return std::nullopt;
  const auto& accepted = options.accept_changes;
  const auto accepts = [&](const char* group) {
    return std::find(accepted.begin(), accepted.end(), group) != accepted.end();
  };
  if (accepts("input") || accepts("all")) place.contents.done.let_changed_be_new();
  return refuse_changes(place.contents.session->identity.changes_to(place.identity), accepted,
                        output);
}

std::optional<Error> redo_what_is_wanted(const RunOptions& options, RunPlace& place) {
  if (!options.only_record.empty()) {
    place.contents.done = {};
    place.contents.end.reset();
    return std::nullopt;
  }
  const std::set<std::uint64_t> chosen(options.redo.begin(), options.redo.end());
  std::vector<std::uint64_t> again;
  for (const auto& [index, record] : place.contents.done) {
    if (chosen.contains(index) || (options.redo_failed && record.status == Ending::kFailed))
      again.push_back(index);
  }
  if (again.empty()) return std::nullopt;
  for (const std::uint64_t index : again) place.contents.done.remove(index);
  place.contents.end.reset();
  return place.folder->journal().append_redo(again);
}

RunReport report_of_complete(RunState& state, const JournalContents& contents) {
  for (const auto& [index, record] : contents.done) state.record_done_before(record);
  RunReport report = state.report();
  report.already_complete = true;
  report.records.read = contents.end->read;
  for (const auto& [stage, count] : contents.end->filtered_records) {
    report.filtered_records[stage] = count;
    report.records.filtered += count;
  }
  return report;
}

void tell_what_was_found(RunState& state, const RunPlace& place) {
  for (const std::string& damage : place.contents.damage) {
    state.message(MessageLevel::kWarning, damage);
  }
  if (!place.goes_on()) return;
  state.message(
      MessageLevel::kInfo,
      fmt::format("goes on in {}, where {} records are done (session {})",
                  place.folder->path().string(), place.contents.done.size(), place.session()));
}

namespace {

JournalSession session_of(const Pipeline& pipeline, const RunPlace& place) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::error_code unknown;
  JournalSession session;
  session.number = place.session();
  session.started = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
  session.directory = std::filesystem::current_path(unknown).string();
  session.file = pipeline.file();
  session.config_json = pipeline.config_json();
  session.identity = place.identity;
  return session;
}

}  // namespace

std::optional<Error> begin_session(const Pipeline& pipeline, const RunOptions& options,
                                   const DeviceExecutor* executor, RunPlace& place) {
  if (!place.folder) return std::nullopt;
  if (executor) place.identity.add_numerics(pipeline, *executor);
  if (place.goes_on()) {
    const auto changes = place.contents.session->identity.changes_to(place.identity);
    if (auto refused = refuse_changes(changes, options.accept_changes, place.folder->path())) {
      return refused;
    }
  }
  return place.folder->journal().append(session_of(pipeline, place));
}

std::optional<Error> end_session(OutputFolder& folder, const Pipeline& pipeline,
                                 const RunReport& report) {
  if (auto error = folder.write_run_json(report_json(pipeline, report))) return error;
  const bool settled =
      report.status == RunStatus::kSucceeded || report.status == RunStatus::kOverPolicy;
  if (!settled) return std::nullopt;
  return folder.journal().append(JournalEnd{report.records.read, report.filtered_records});
}

}  // namespace flowtts
