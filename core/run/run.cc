#include <flowtts/run.h>

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include <fmt/format.h>

#include "core/device/executor.h"
#include "core/exceptions.h"
#include "core/graph/flow.h"
#include "core/run/monitor.h"
#include "core/run/output_folder.h"
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
  report.status = interrupted ? RunStatus::kInterrupted : RunStatus::kEnvironment;
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

/// Everything between an open output folder and its final run.json.
RunReport run_in(Pipeline& pipeline, const RunOptions& options, OutputFolder* folder) {
  RunState state(pipeline, options, folder);
  state.message(MessageLevel::kInfo,
                fmt::format("run of {} ({}) begins", pipeline.name(), pipeline.file()));
  const RunWords words(state);
  OpenStages stages(pipeline, {folder ? folder->path() : std::filesystem::path(),
                               pipeline.settings().seed, words.log(), words.warn()});
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
  const double start_seconds = state.seconds();
  Monitor monitor(state, executor.get(), options);
  {
    Flow flow(pipeline, state, executor.get());
    flow.run();
  }
  if (executor) executor->stop();
  monitor.finish();
  if (auto failed = stages.close()) state.fail(*failed);

  RunReport report = state.report();
  report.start_seconds = start_seconds;
  if (auto fault = unbalanced(report); fault && !report.error) {
    state.fail(*fault);
    report.error = fault;
  }
  if (executor) add_device_reports(pipeline, *executor, monitor, report);
  report.status = status_of(report, pipeline.settings(), monitor.interrupted());
  return report;
}

}  // namespace

RunReport run(Pipeline& pipeline, const RunOptions& options) {
  std::shared_ptr<OutputFolder> folder;
  if (!pipeline.settings().output.empty()) {
    auto created = OutputFolder::create(pipeline.settings().output);
    if (!created.ok()) {
      RunReport report;
      report.error = created.error();
      report.status = report.error->fatal ? RunStatus::kEnvironment : RunStatus::kRefused;
      return report;
    }
    folder = *created;
  }
  RunReport report = run_in(pipeline, options, folder.get());
  if (folder) {
    if (auto error = folder->write_run_json(report_json(pipeline, report))) {
      report.status = RunStatus::kEnvironment;
      report.error = *error;
    }
  }
  return report;
}

}  // namespace flowtts
