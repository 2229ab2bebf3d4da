#include <flowtts/run.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/device/executor.h"
#include "core/exceptions.h"
#include "core/graph/flow.h"
#include "core/keep_for_ever.h"
#include "core/run/committer.h"
#include "core/run/monitor.h"
#include "core/run/run_state.h"
#include "core/run/session.h"

namespace flowtts {
namespace {

/// Of the Error by which a look at all records ends when the run is interrupted.
constexpr std::string_view kInterruptedCode = "interrupted";

Error interrupted() {
  return Error{std::string(kInterruptedCode), "interrupted before the first record"};
}

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
    plan.hang_after_s = pipeline.settings().hang_after_s;
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

/// What stages have to say, for as long as there is a run: a library's thread may speak later.
class RunWords {
 public:
  explicit RunWords(RunState& state) : shared_(std::make_shared<Shared>()) {
    shared_->state = &state;
  }
  ~RunWords() {
    const std::lock_guard lock(shared_->mutex);
    shared_->state = nullptr;
  }
  RunWords(const RunWords&) = delete;
  RunWords& operator=(const RunWords&) = delete;

  RunContext::Words log() const {
    return [shared = shared_](const std::string& text) {
      const std::lock_guard lock(shared->mutex);
      if (shared->state) shared->state->log(text);
    };
  }
  RunContext::Words warn() const {
    return [shared = shared_](const std::string& text) {
      const std::lock_guard lock(shared->mutex);
      if (shared->state) shared->state->message(MessageLevel::kWarning, text);
    };
  }

 private:
  struct Shared {
    std::mutex mutex;
    RunState* state = nullptr;
  };
  std::shared_ptr<Shared> shared_;
};

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

  /// Leaves open those that a thread is in: an abandoned run's.
  void leave_open(const RunState& state) {
    std::erase_if(open_, [&](const PipelineStage* stage) {
      return state.stats(static_cast<std::size_t>(stage - pipeline_.stages().data())).working() > 0;
    });
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
      device.hung = use.hung;
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
RunReport not_begun(RunState& state, const Error& error, const DeviceExecutor* executor = nullptr) {
  const bool interrupted = error.code == kInterruptedCode;
  if (!interrupted) state.fail(error);
  RunReport report = state.report();
  report.status = RunStatus::kEnvironment;
  if (interrupted) report.status = RunStatus::kInterrupted;
  if (error.code == kRunChangedCode) report.status = RunStatus::kRefused;
  if (executor) report.abandoned_threads = executor->stuck();
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

/// Starts the executor, unless the user wants an end.
std::optional<Error> start(DeviceExecutor& executor, const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [&executor] { executor.cancel(); });
  auto failed = executor.start();
  return stop.stop_requested() ? interrupted() : failed;
}

int threads_in_stages(const RunState& state) {
  int threads = 0;
  for (std::size_t i = 0; i < state.pipeline().stages().size(); ++i) {
    threads += state.stats(i).working();
  }
  return threads;
}

/// Makes settled records done while the graph runs; null where nothing is kept.
std::unique_ptr<Committer> make_committer(Pipeline& pipeline, RunState& state, RunPlace& place) {
  if (!place.folder) return nullptr;
  std::vector<const PipelineStage*> stages;
  for (const PipelineStage& stage : pipeline.stages()) stages.push_back(&stage);
  auto committer =
      std::make_unique<Committer>(*place.folder, std::move(stages),
                                  std::chrono::duration<double>(pipeline.settings().commit_every_s),
                                  [&state](const Error& error) { state.fail(error); });
  state.set_committer(committer.get());
  return committer;
}

/// What threads come back to that did not end with their run; destroyed from its end.
struct Abandoned {
  std::shared_ptr<RunPlace> place;
  std::shared_ptr<RunState> state;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<DeviceExecutor> executor;
  std::unique_ptr<Flow> flow;
};

/// Everything between an open output folder and its final run.json.
RunReport run_in(Pipeline& pipeline, const RunOptions& options,
                 const std::shared_ptr<RunPlace>& place) {
  OutputFolder* const folder = place->folder.get();
  const auto shared_state = std::make_shared<RunState>(pipeline, options, folder);
  RunState& state = *shared_state;
  state.message(MessageLevel::kInfo,
                fmt::format("run of {} ({}) begins", pipeline.name(), pipeline.file()));
  tell_what_was_found(state, *place);
  if (folder) {
    if (auto error = redo_what_is_wanted(options, *place)) return not_begun(state, *error);
    if (place->contents.complete() && !options.even_if_complete) {
      RunReport report = report_of_complete(state, place->contents);
      report.status = status_of(report, pipeline.settings(), false);
      return report;
    }
    if (auto error = folder->open_failures(place->contents.done)) return not_begun(state, *error);
  }
  OpeningStages earlier(place->contents.done, state);
  RunContext context;
  context.output = place->path();
  context.seed = pipeline.settings().seed;
  context.earlier = folder ? &earlier : nullptr;
  context.doubt = [&state](const std::string& code, const std::string& message,
                           std::uint64_t items) { state.items_warned(code, message, items); };
  context.stop = state.reading();
  std::vector<std::uint64_t> undone;  // by stages that are being closed, one after the other
  if (folder) context.undo = [&undone](std::uint64_t index) { undone.push_back(index); };
  const RunWords words(state);
  context.log = words.log();
  context.warn = words.warn();
  OpenStages stages(pipeline, context);
  std::optional<Error> error = stages.open();
  if (!error) error = FilterPreparation(pipeline, stages.context(), options.stop).prepare();
  if (state.interrupted()) error = interrupted();  // a source that was interrupted may say anything
  if (error) return not_begun(state, *error);

  std::vector<DeviceStagePlan> plans = device_plans(pipeline);
  std::unique_ptr<DeviceExecutor> executor;
  if (!plans.empty()) {
    executor = std::make_unique<DeviceExecutor>(std::move(plans));
    if (auto failed = start(*executor, options.stop))
      return not_begun(state, *failed, executor.get());
    tell_what_is_loaded(pipeline, *executor, state);
  }
  if (auto refused = begin_session(pipeline, options, executor.get(), *place)) {
    return not_begun(state, *refused, executor.get());
  }
  const double start_seconds = state.seconds();
  Monitor monitor(state, executor.get(), options);
  std::unique_ptr<Committer> committer = make_committer(pipeline, state, *place);
  auto flow = std::make_unique<Flow>(pipeline, state, executor.get(), place->contents.done);
  const bool ended = flow->run();
  // The lanes end first: one that has handed over the last batch may still be on its way back from
  // the graph's arena.
  if (executor) executor->stop();
  if (ended) flow.reset();
  if (committer) committer->finish();
  monitor.finish();
  if (!ended) stages.leave_open(state);
  if (auto failed = stages.close()) state.fail(*failed);
  if (!undone.empty()) {
    if (auto failed = folder->journal().append_redo(undone)) state.fail(*failed);
  }

  RunReport report = state.report();
  report.start_seconds = start_seconds;
  report.session = place->session();
  if (auto fault = unbalanced(report); fault && !report.error) {
    state.fail(*fault);
    report.error = fault;
  }
  if (executor) add_device_reports(pipeline, *executor, monitor, report);
  report.status = status_of(report, pipeline.settings(), state.interrupted());
  if (executor) report.abandoned_threads = executor->stuck();
  if (!ended) {
    report.abandoned_threads += std::max(1, threads_in_stages(state));
    state.let_go();
    keep_for_ever(
        Abandoned{place, shared_state, std::move(committer), std::move(executor), std::move(flow)});
  }
  return report;
}

}  // namespace

RunReport run(Pipeline& pipeline, const RunOptions& options) {
  const auto place = std::make_shared<RunPlace>();
  if (const auto error = take_place(pipeline, options, *place)) {
    RunReport report;
    report.error = *error;
    report.status = error->fatal ? RunStatus::kEnvironment : RunStatus::kRefused;
    return report;
  }
  RunReport report = run_in(pipeline, options, place);
  // What the session that did the work has written there says more than one that did nothing.
  const bool did_nothing = report.already_complete || report.status == RunStatus::kRefused;
  if (place->folder && !did_nothing) {
    if (auto error = end_session(*place->folder, pipeline, report)) {
      report.status = RunStatus::kEnvironment;
      report.error = *error;
    }
  }
  return report;
}

}  // namespace flowtts
