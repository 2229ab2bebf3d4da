#include <flowtts/run.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <set>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "core/device/executor.h"
#include "core/exceptions.h"
#include "core/graph/flow.h"
#include "core/run/committer.h"
#include "core/run/monitor.h"
#include "core/run/output_folder.h"
#include "core/run/run_identity.h"
#include "core/run/run_state.h"

namespace flowtts {
namespace {

/// Of the Error by which a look at all records ends when the run is interrupted.
constexpr std::string_view kInterruptedCode = "interrupted";

std::vector<DeviceStagePlan> device_plans(const Pipeline& pipeline) {
  std::vector<DeviceStagePlan> plans;
  for (const PipelineStage& stage : pipeline.stages()) {
    if (stage.type->kind != StageKind::kDevice) continue;
    DeviceStagePlan plan;
    plan.id = stage.id;
    plan.prototype = stage.stage.get();
    plan.runtime = stage.runtime;
    plan.devices = stage.devices;
    plan.lanes = stage.lanes;
    plan.batch.max_items = static_cast<std::size_t>(stage.batch.max_items);
    plan.batch.max_wait_ms = stage.batch.max_wait_ms;
    plan.batch.max_length = static_cast<std::size_t>(stage.batch.max_length);
    plan.batch.look_ahead = static_cast<std::size_t>(stage.batch.look_ahead);
    plan.memory_limit = pipeline.settings().memory_limit_on_devices();
    plan.recycle = {static_cast<std::uint64_t>(stage.recycle.after_batches),
                    stage.recycle.when_reserved_over.bytes};
    for (const PipelineStage* at = &stage; at->followers.size() == 1;) {
      at = &pipeline.stages()[at->followers.front()];
      if (!at->in_lane) break;
      plan.in_lane.push_back({at->id, at->stage.get()});
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

/// Stages that have been opened, closed again in the opposite order whatever happens.
class OpenStages {
 public:
  OpenStages(Pipeline& pipeline, RunContext context)
      : pipeline_(pipeline), context_(std::move(context)) {}
  ~OpenStages() { close(); }
  OpenStages(const OpenStages&) = delete;
  OpenStages& operator=(const OpenStages&) = delete;

  std::optional<Error> open() {
    for (PipelineStage& stage : pipeline_.stages()) {
      auto error = guarded(stage, [&] { return stage.stage->open(context_); });
      if (error) return error;
      open_.push_back(&stage);
    }
    return std::nullopt;
  }

  /// Returns the first error; closes all the same.
  std::optional<Error> close() {
    std::optional<Error> first;
    while (!open_.empty()) {
      PipelineStage& stage = *open_.back();
      open_.pop_back();
      auto error = guarded(stage, [&] { return stage.stage->close(); });
      if (error && !first) first = std::move(error);
    }
    return first;
  }

  const RunContext& context() const { return context_; }

 private:
  template <class Call>
  static std::optional<Error> guarded(const PipelineStage& stage, const Call& call) {
    std::optional<Error> error;
    try {
      error = call();
    } catch (...) {
      error = error_from_exception();
    }
    if (error) error->message = fmt::format("stage '{}': {}", stage.id, error->message);
    return error;
  }

  Pipeline& pipeline_;
  const RunContext context_;
  std::vector<PipelineStage*> open_;
};

/// Lets record filters that want to see all keys first do so.
class FilterPreparation {
 public:
  FilterPreparation(Pipeline& pipeline, const RunContext& context, const std::stop_token& stop)
      : pipeline_(pipeline), context_(context), stop_(stop) {}

  std::optional<Error> prepare() {
    for (PipelineStage& stage : pipeline_.stages()) {
      if (stage.type->kind == StageKind::kSource) source_ = stage.stage.get();
    }
    for (PipelineStage* stage : in_flow_order()) {
      std::optional<Error> error;
      try {
        error = stage->stage->prepare([this](const auto& see) { return scan(see); }, context_.seed);
      } catch (...) {
        error = error_from_exception();
      }
      if (error) {
        error->message = fmt::format("stage '{}': {}", stage->id, error->message);
        return error;
      }
      before_.push_back(stage->stage.get());
    }
    return std::nullopt;
  }

 private:
  std::vector<PipelineStage*> in_flow_order() {
    std::vector<PipelineStage*> filters;
    auto& stages = pipeline_.stages();
    std::size_t at = 0;
    while (stages[at].type->kind != StageKind::kSource) ++at;
    while (stages[at].followers.size() == 1 && stages[stages[at].followers[0]].in_reader) {
      at = stages[at].followers[0];
      filters.push_back(&stages[at]);
    }
    return filters;
  }

  /// Shows the keys of all records that the filters before this one keep.
  std::optional<Error> scan(const std::function<void(const RecordKey&)>& see) {
    bool asked = false;
    const auto look_at = [&](const RecordKey& key) {
      for (const AnyStage* filter : before_) {
        if (!filter->keep(key, context_.seed)) return;
      }
      see(key);
    };
    const KeepRecord keep = [&](const RecordKey& key) {
      asked = true;
      look_at(key);
      return stop_.stop_requested();  // otherwise no record need be made
    };
    while (const auto next = source_->next(keep)) {
      if (stop_.stop_requested()) return interrupted();
      if (next->payload.is_error() && next->payload.error().fatal) return next->payload.error();
      if (!asked && next->payload.ok()) look_at(next->key);  // a source that does not ask
      asked = false;
    }
    if (auto error = source_->close()) return error;
    return source_->open(context_);
  }

  static Error interrupted() {
    return Error{std::string(kInterruptedCode), "interrupted before the first record"};
  }

  Pipeline& pipeline_;
  const RunContext& context_;
  const std::stop_token& stop_;
  AnyStage* source_ = nullptr;
  std::vector<const AnyStage*> before_;
};

/// A part of a whole, or what is said where there is no whole.
template <class Part, class Whole>
double share(Part part, Whole whole, double of_nothing) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : of_nothing;
}

void add_device_reports(const Pipeline& pipeline, const DeviceExecutor& executor,
                        const Monitor& monitor, RunReport& report) {
  std::size_t number = 0;
  for (std::size_t i = 0; i < pipeline.stages().size(); ++i) {
    if (pipeline.stages()[i].type->kind != StageKind::kDevice) continue;
    for (const DeviceUse& use : executor.use(number)) {
      DeviceReport device;
      device.device = use.device;
      device.lanes = use.lanes;
      device.batches = use.last.batches;
      device.items = use.last.items;
      const double busy = use.first.busy_seconds + use.last.busy_seconds;
      device.busy_share = share(busy, report.seconds * use.lanes, 0);
      device.active_share = monitor.active_share(use.device.id);
      device.fill_share = share(use.last.items, use.last.rows, 1);
      device.useful_share = share(use.last.length, use.last.padded_length, 1);
      device.first_half_useful_share = share(use.first.length, use.first.padded_length, 1);
      device.queue_seconds =
          share(use.first.queue_seconds + use.last.queue_seconds, use.last.items, 0);
      device.load_seconds = use.load_seconds;
      device.memory = use.memory;
      device.recoveries = use.recoveries;
      device.ceiling = use.ceiling;
      device.recycled = use.recycled;
      device.numerics = use.numerics;
      device.lost = use.lost;
      report.stages[i].busy_seconds += busy;
      report.stages[i].devices.push_back(std::move(device));
    }
    ++number;
  }
}

/// What the device stages say of themselves once they are loaded, each thing once.
void tell_what_is_loaded(const Pipeline& pipeline, const DeviceExecutor& executor,
                         RunState& state) {
  std::size_t number = 0;
  std::set<std::string> told;
  for (const PipelineStage& stage : pipeline.stages()) {
    if (stage.type->kind != StageKind::kDevice) continue;
    for (const DeviceUse& use : executor.use(number++)) {
      if (!use.numerics.empty() && told.insert(stage.id + use.numerics).second) {
        state.message(MessageLevel::kInfo, fmt::format("stage '{}': {}", stage.id, use.numerics));
      }
      if (!use.advice.empty() && told.insert(stage.id + use.advice).second) {
        state.message(MessageLevel::kWarning, fmt::format("stage '{}': {}", stage.id, use.advice));
      }
    }
  }
}

RunStatus status_of(const RunReport& report, const RunSettings& settings, bool interrupted) {
  if (report.error) return RunStatus::kEnvironment;
  if (interrupted) return RunStatus::kInterrupted;
  if (!settings.tolerates(report.records.failed, report.records.read)) {
    return RunStatus::kOverPolicy;
  }
  return RunStatus::kSucceeded;
}

/// Of a run that did not get to its first record.
RunReport not_begun(RunState& state, const Error& error) {
  const bool interrupted = error.code == kInterruptedCode;
  if (!interrupted) state.fail(error);
  RunReport report = state.report();
  report.status = RunStatus::kEnvironment;
  if (interrupted) report.status = RunStatus::kInterrupted;
  if (error.code == kRunChangedCode) report.status = RunStatus::kRefused;
  return report;
}

/// "read = written + filtered + failed": where it does not hold, something was lost in silence, and
/// the run must not pass for one that succeeded.
std::optional<Error> unbalanced(const RunReport& report) {
  const auto text = [](const Ledger& ledger) {
    return fmt::format("{} read, {} written, {} filtered, {} failed, {} unfinished", ledger.read,
                       ledger.written, ledger.filtered, ledger.failed, ledger.unfinished);
  };
  if (report.records.balanced() && report.items.balanced()) return std::nullopt;
  return Error{
      "unbalanced_ledger",
      fmt::format("the ledger does not balance, which is a fault of FlowTTS: of records {}; "
                  "of items {}",
                  text(report.records), text(report.items))};
}

/// What earlier sessions did, as stages see it while they are opened.
class EarlierSessionsOf final : public EarlierSessions {
 public:
  EarlierSessionsOf(DoneRecords& done, RunState& state) : done_(done), state_(state) {}

  bool is_done(std::uint64_t index) const override { return done_.find(index) != nullptr; }
  std::vector<std::uint64_t> done() const override {
    std::vector<std::uint64_t> indexes;
    indexes.reserve(done_.size());
    for (const auto& [index, record] : done_) indexes.push_back(index);
    return indexes;
  }
  void redo(std::uint64_t index, const std::string& why) override {
    if (!is_done(index)) return;
    done_.remove(index);
    note(fmt::format("record {} is done again: {}", index, why));
  }
  void note(const std::string& text) override { state_.message(MessageLevel::kWarning, text); }

 private:
  DoneRecords& done_;
  RunState& state_;
};

/// A run's output folder, and what earlier sessions have left in it.
struct Place {
  std::shared_ptr<OutputFolder> folder;  ///< Null in a run without one.
  JournalContents contents;
  RunIdentity identity;

  bool goes_on() const { return contents.session.has_value(); }
  std::uint64_t session() const { return goes_on() ? contents.session->number + 1 : 1; }
};

/// Opens the folder and says whether this run may begin or go on there. Changes nothing that is
/// done.
std::optional<Error> take_place(const Pipeline& pipeline, const RunOptions& options, Place& place) {
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

/// What the user wants done again is not done any more, for good. A run about one record makes it
/// anew whatever its folder holds.
std::optional<Error> redo(const RunOptions& options, Place& place) {
  if (!options.only_record.empty()) {
    place.contents.done = {};
    place.contents.end.reset();
    return std::nullopt;
  }
  std::vector<std::uint64_t> again;
  for (const auto& [index, record] : place.contents.done) {
    const bool wanted =
        std::find(options.redo.begin(), options.redo.end(), index) != options.redo.end();
    if (wanted || (options.redo_failed && record.status == Ending::kFailed)) again.push_back(index);
  }
  if (again.empty()) return std::nullopt;
  for (const std::uint64_t index : again) place.contents.done.remove(index);
  place.contents.end.reset();
  return place.folder->journal().append_redo(again);
}

/// The report of a run of which everything is done already.
RunReport already_complete(RunState& state, const JournalContents& contents,
                           const RunSettings& settings) {
  for (const auto& [index, record] : contents.done) state.record_done_before(record);
  RunReport report = state.report();
  report.already_complete = true;
  report.records.read = contents.end->read;
  for (const auto& [stage, count] : contents.end->filtered_records) {
    report.filtered_records[stage] = count;
    report.records.filtered += count;
  }
  report.status = status_of(report, settings, false);
  return report;
}

/// The first lines of a session: what is going on, and what was found.
void tell_what_was_found(RunState& state, const Place& place) {
  for (const std::string& damage : place.contents.damage) {
    state.message(MessageLevel::kWarning, damage);
  }
  if (!place.goes_on()) return;
  state.message(
      MessageLevel::kInfo,
      fmt::format("goes on in {}, where {} records are done (session {})",
                  place.folder->path().string(), place.contents.done.size(), place.session()));
}

JournalSession session_of(const Pipeline& pipeline, const Place& place) {
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

/// Says in the journal which run this is, once all is known that its results depend on.
std::optional<Error> begin_session(const Pipeline& pipeline, const RunOptions& options,
                                   const DeviceExecutor* executor, Place& place) {
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

/// Runs the graph, and makes durable what comes out of it.
void flow_through(Pipeline& pipeline, RunState& state, DeviceExecutor* executor, Place& place) {
  std::optional<Committer> committer;
  if (place.folder) {
    std::vector<const PipelineStage*> stages;
    for (const PipelineStage& stage : pipeline.stages()) stages.push_back(&stage);
    committer.emplace(*place.folder, std::move(stages),
                      std::chrono::duration<double>(pipeline.settings().commit_every_s),
                      [&state](const Error& error) { state.fail(error); });
    state.set_committer(&*committer);
  }
  {
    Flow flow(pipeline, state, executor, place.contents.done);
    flow.run();
  }
  if (executor) executor->stop();
  if (committer) committer->finish();
  state.set_committer(nullptr);
}

/// Everything between an open output folder and its final run.json.
RunReport run_in(Pipeline& pipeline, const RunOptions& options, Place& place) {
  OutputFolder* const folder = place.folder.get();
  RunState state(pipeline, options, folder);
  state.message(MessageLevel::kInfo,
                fmt::format("run of {} ({}) begins", pipeline.name(), pipeline.file()));
  tell_what_was_found(state, place);
  if (folder) {
    if (auto error = redo(options, place)) return not_begun(state, *error);
    if (place.contents.complete() && !options.even_if_complete) {
      return already_complete(state, place.contents, pipeline.settings());
    }
    if (auto error = folder->open_failures(place.contents.done)) return not_begun(state, *error);
  }
  EarlierSessionsOf earlier(place.contents.done, state);
  const RunContext context{
      folder ? folder->path() : std::filesystem::path(), pipeline.settings().seed,
      folder ? &earlier : nullptr,
      [&state](const std::string& code, const std::string& message, std::uint64_t items) {
        state.items_warned(code, message, items);
      }};
  OpenStages stages(pipeline, context);
  std::optional<Error> error = stages.open();
  if (!error) error = FilterPreparation(pipeline, stages.context(), options.stop).prepare();
  if (error) return not_begun(state, *error);

  std::vector<DeviceStagePlan> plans = device_plans(pipeline);
  std::unique_ptr<DeviceExecutor> executor;
  if (!plans.empty()) {
    executor = std::make_unique<DeviceExecutor>(std::move(plans));
    if (auto failed = executor->start()) return not_begun(state, *failed);
    tell_what_is_loaded(pipeline, *executor, state);
  }
  if (auto refused = begin_session(pipeline, options, executor.get(), place)) {
    return not_begun(state, *refused);
  }
  const double start_seconds = state.seconds();
  Monitor monitor(state, executor.get(), options);
  flow_through(pipeline, state, executor.get(), place);
  monitor.finish();
  if (auto failed = stages.close()) state.fail(*failed);

  RunReport report = state.report();
  report.start_seconds = start_seconds;
  report.session = place.session();
  if (auto fault = unbalanced(report); fault && !report.error) {
    state.fail(*fault);
    report.error = fault;
  }
  if (executor) add_device_reports(pipeline, *executor, monitor, report);
  report.status = status_of(report, pipeline.settings(), monitor.interrupted());
  return report;
}

/// Writes the final run.json, and then into the journal that all is done: a run that was cut off
/// before it has its run.json is not complete.
std::optional<Error> end_session(OutputFolder& folder, const Pipeline& pipeline,
                                 const RunReport& report) {
  if (auto error = folder.write_run_json(report_json(pipeline, report))) return error;
  const bool settled =
      report.status == RunStatus::kSucceeded || report.status == RunStatus::kOverPolicy;
  if (!settled) return std::nullopt;
  return folder.journal().append(JournalEnd{report.records.read, report.filtered_records});
}

}  // namespace

RunReport run(Pipeline& pipeline, const RunOptions& options) {
  Place place;
  if (const auto error = take_place(pipeline, options, place)) {
    RunReport report;
    report.error = *error;
    report.status = error->fatal ? RunStatus::kEnvironment : RunStatus::kRefused;
    return report;
  }
  RunReport report = run_in(pipeline, options, place);
  // What the session that did the work has written there says more than one that did nothing.
  const bool did_nothing = report.already_complete || report.status == RunStatus::kRefused;
  if (place.folder && !did_nothing) {
    if (auto error = end_session(*place.folder, pipeline, report)) {
      report.status = RunStatus::kEnvironment;
      report.error = *error;
    }
  }
  return report;
}

}  // namespace flowtts
