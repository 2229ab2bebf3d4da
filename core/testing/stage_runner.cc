#include <flowtts/testing.h>

#include <algorithm>
#include <initializer_list>

#include <fmt/format.h>

#include "core/config/compiler.h"
#include "core/exceptions.h"

namespace flowtts::testing {
namespace {

std::string article(std::string_view kind) { return fmt::format("a {} stage", kind); }

}  // namespace

struct StageRunner::Impl {
  Impl(std::string_view yaml, Options given) : options(std::move(given)) {
    Pipeline::Options compiling;
    compiling.registry = options.registry;
    compiling.gpus = [] { return std::vector<DeviceInfo>(); };
    Diagnostics found;
    const yaml::NodePtr node = yaml::parse(yaml, "stage", found);
    stage = PipelineCompiler(compiling, found).compile_stage(node, "stage");
    diagnostics = found.sorted();
  }

  /// Nothing where the stage is of this kind, without problems and open.
  std::optional<Error> make_ready(std::initializer_list<StageKind> kinds, std::string_view call) {
    if (!stage) return Error{"bad_stage", "the stage has problems: see problems()"};
    if (std::find(kinds.begin(), kinds.end(), stage->type->kind) == kinds.end()) {
      return Error{"wrong_kind", fmt::format("{} is not for {}", call,
                                             article(stage_kind_name(stage->type->kind)))};
    }
    if (open) return std::nullopt;
    auto error = guarded([&] { return stage->stage->open({options.output, options.seed}); });
    open = !error;
    return error;
  }

  std::optional<Error> check_type(const AnyPayload& payload) const {
    const PayloadInfo* in = stage->type->in;
    if (!payload || payload.info().name != in->name) return wrong_payload(in->name, payload);
    return std::nullopt;
  }

  std::optional<Error> load() {
    if (loaded) return std::nullopt;
    auto made = make_device_runtime(stage->runtime);
    if (!made.ok()) return made.error();
    if (auto started = (*made)->start(device.device(), {}); !started.ok()) return started.error();
    auto copy = stage->stage->clone();
    {
      const auto binding = (*made)->bind(device.device());
      if (auto error = guarded([&] { return copy->load(device); })) return error;
    }
    runtime = *std::move(made);
    loaded = std::move(copy);
    return std::nullopt;
  }

  Item item() const { return {record, path, options.seed, attempt}; }

  template <class Call>
  static std::optional<Error> guarded(const Call& call) {
    try {
      return call();
    } catch (...) {
      return error_from_exception();
    }
  }

  const Options options;
  std::optional<PipelineStage> stage;
  std::vector<Diagnostic> diagnostics;
  std::vector<std::string> no_notes;
  bool open = false;

  RecordKey record{"record", 0, 0, 0};
  std::vector<std::uint32_t> path;
  int attempt = 1;

  DeviceContext device{{DeviceKind::kCpu, 0}, 0};
  std::shared_ptr<DeviceRuntime> runtime;
  std::unique_ptr<AnyStage> loaded;  ///< The device's copy.
};

StageRunner::StageRunner(std::string_view yaml) : StageRunner(yaml, Options{}) {}
StageRunner::StageRunner(std::string_view yaml, Options options)
    : impl_(std::make_unique<Impl>(yaml, std::move(options))) {}
StageRunner::~StageRunner() { close(); }

std::string StageRunner::problems() const {
  std::string text;
  for (const Diagnostic& one : impl_->diagnostics) {
    if (one.severity != Severity::kError) continue;
    text += (text.empty() ? "" : "\n") + one.text();
  }
  return text;
}

const std::vector<Diagnostic>& StageRunner::diagnostics() const { return impl_->diagnostics; }

const std::vector<std::string>& StageRunner::notes() const {
  return impl_->stage ? impl_->stage->notes : impl_->no_notes;
}

StageRunner& StageRunner::item(RecordKey record, std::vector<std::uint32_t> path, int attempt) {
  impl_->record = std::move(record);
  impl_->path = std::move(path);
  impl_->attempt = attempt;
  return *this;
}

Result<std::vector<AnyPayload>> StageRunner::process_any(const AnyPayload& payload) {
  using Kind = StageKind;
  auto error =
      impl_->make_ready({Kind::kMap, Kind::kFilter, Kind::kExpand, Kind::kSink}, "process");
  if (!error) error = impl_->check_type(payload);
  if (error) return *std::move(error);
  try {
    AnyStage& stage = *impl_->stage->stage;
    if (impl_->stage->type->kind == Kind::kExpand) return stage.expand(payload, impl_->item());
    Result<AnyPayload> made = stage.process(payload, impl_->item());
    if (made.is_filtered()) return made.filtered();
    if (made.is_error()) return made.error();
    if (!made.value()) return std::vector<AnyPayload>{};
    return std::vector<AnyPayload>{std::move(made).value()};
  } catch (...) {
    return error_from_exception();
  }
}

Result<std::vector<AnySourceRecord>> StageRunner::run_source_any(const KeepRecord& keep) {
  if (auto error = impl_->make_ready({StageKind::kSource}, "run_source")) return *std::move(error);
  std::vector<AnySourceRecord> records;
  try {
    while (auto record = impl_->stage->stage->next(keep)) records.push_back(*std::move(record));
  } catch (...) {
    return error_from_exception();
  }
  return records;
}

Result<AnyPayload> StageRunner::gather_any(AnyGathered all) {
  auto error = impl_->make_ready({StageKind::kGather}, "gather");
  for (const auto& arrived : all.arrived) {
    if (!error) error = impl_->check_type(arrived.payload);
  }
  if (error) return *std::move(error);
  try {
    return impl_->stage->stage->gather(std::move(all), impl_->item());
  } catch (...) {
    return error_from_exception();
  }
}

std::vector<Result<AnyPayload>> StageRunner::process_batch_any(
    const std::vector<AnyPayload>& payloads) {
  auto error = impl_->make_ready({StageKind::kDevice}, "process_batch");
  for (const AnyPayload& payload : payloads) {
    if (!error) error = impl_->check_type(payload);
  }
  if (!error) error = impl_->load();
  if (error) return std::vector<Result<AnyPayload>>(payloads.size(), *error);
  const Item item = impl_->item();
  std::vector<AnyBatchItem> batch;
  for (const AnyPayload& payload : payloads) batch.push_back({payload, item});
  try {
    const auto binding = impl_->runtime->bind(impl_->device.device());
    return impl_->loaded->process_batch(batch, impl_->device);
  } catch (...) {
    return std::vector<Result<AnyPayload>>(payloads.size(), error_from_exception());
  }
}

std::optional<Error> StageRunner::prepare(const std::vector<RecordKey>& records) {
  if (auto error = impl_->make_ready({StageKind::kRecordFilter}, "prepare")) return error;
  const RecordScan scan = [&](const auto& see) -> std::optional<Error> {
    for (const RecordKey& record : records) see(record);
    return std::nullopt;
  };
  return Impl::guarded([&] { return impl_->stage->stage->prepare(scan, impl_->options.seed); });
}

Result<bool> StageRunner::keep(const RecordKey& record) {
  if (auto error = impl_->make_ready({StageKind::kRecordFilter}, "keep")) return *std::move(error);
  try {
    return impl_->stage->stage->keep(record, impl_->options.seed);
  } catch (...) {
    return error_from_exception();
  }
}

std::optional<Error> StageRunner::close() {
  if (!impl_->open) return std::nullopt;
  impl_->open = false;
  return Impl::guarded([&] { return impl_->stage->stage->close(); });
}

KeepRecord StageRunner::keep_all() {
  return [](const RecordKey&) { return true; };
}

Error StageRunner::wrong_payload(std::string_view wanted, const AnyPayload& found) {
  return {"wrong_payload", fmt::format("expected a payload {}, found {}", wanted,
                                       found ? found.info().name : "none")};
}

}  // namespace flowtts::testing
