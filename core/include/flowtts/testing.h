#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <flowtts/diagnostics.h>
#include <flowtts/registry.h>

/// For the tests of stages.
namespace flowtts::testing {

/// One stage, made from the lines that a pipeline file has for it, and called as a run would call
/// it:
///
///     StageRunner stage("type: replace_word\nwith: {from: km, to: kilometres}");
///     REQUIRE(stage.problems() == "");
///     const auto made = stage.process<Sentence>(Sentence{.spoken = "5 km"});
///     REQUIRE(made.ok());
///     CHECK(made->at(0).spoken == "5 kilometres");
///
/// Lifecycle: the constructor configures and checks the stage. The first call that makes it work
/// opens it (and on a device loads it); `close`, or the destructor, closes it. A call that the
/// stage's kind does not have, a payload of another type, a stage with problems, and an exception
/// out of the stage are Errors.
///
/// One object belongs to one thread. There is no graph, no retry and no run around the stage.
class StageRunner {
 public:
  struct Options {
    const StageRegistry* registry = &StageRegistry::global();
    std::filesystem::path output;  ///< `RunContext::output`; has to be there.
    std::uint64_t seed = 0;        ///< The run's.
  };

  /// \param yaml the stage's keys: `type` and whatever else it has but `from`.
  explicit StageRunner(std::string_view yaml, Options options);
  explicit StageRunner(std::string_view yaml);
  ~StageRunner();
  StageRunner(const StageRunner&) = delete;
  StageRunner& operator=(const StageRunner&) = delete;

  /// What is wrong with the lines, a finding a line as `flowtts check` prints it; empty where
  /// nothing is. Line and column are those of `yaml`.
  std::string problems() const;
  const std::vector<Diagnostic>& diagnostics() const;  ///< The same, and warnings.
  const std::vector<std::string>& notes() const;  ///< What the stage says of itself in the plan.

  /// Which item the next calls are about; a record "record" without a path to begin with.
  StageRunner& item(RecordKey record, std::vector<std::uint32_t> path = {}, int attempt = 1,
                    int take = 1);

  /// map, filter, expand: what goes on.
  template <PayloadType Out, PayloadType In>
  Result<std::vector<Out>> process(In payload) {
    return typed<Out>(process_any(AnyPayload::of(std::move(payload))));
  }
  /// sink: what went wrong.
  template <PayloadType In>
  std::optional<Error> consume(In payload) {
    const auto result = process_any(AnyPayload::of(std::move(payload)));
    return result.is_error() ? std::optional(result.error()) : std::nullopt;
  }
  /// Any of them.
  Result<std::vector<AnyPayload>> process_any(const AnyPayload& payload);

  /// source: all of its records.
  template <PayloadType Out>
  Result<std::vector<SourceRecord<Out>>> run_source(const KeepRecord& keep = keep_all()) {
    auto records = run_source_any(keep);
    if (!records.ok()) return records.error();
    std::vector<SourceRecord<Out>> out;
    for (AnySourceRecord& record : *records) {
      auto payload = typed_one<Out>(std::move(record.payload));
      out.push_back({std::move(record.key), record.offset, std::move(payload)});
    }
    return out;
  }
  Result<std::vector<AnySourceRecord>> run_source_any(const KeepRecord& keep = keep_all());

  /// gather: what it makes of a record.
  template <PayloadType Out, PayloadType In>
  Result<Out> gather(Gathered<In> all) {
    AnyGathered any{std::move(all.origin), all.offset, {}, std::move(all.ended)};
    for (auto& arrived : all.arrived) {
      any.arrived.push_back({std::move(arrived.path), AnyPayload(std::move(arrived.payload))});
    }
    return typed_one<Out>(gather_any(std::move(any)));
  }
  Result<AnyPayload> gather_any(AnyGathered all);

  /// device stage: a result for each, made on the CPU. The stage's runtime has to be there.
  template <PayloadType Out, PayloadType In>
  std::vector<Result<Out>> process_batch(std::vector<In> payloads) {
    std::vector<AnyPayload> any;
    for (In& payload : payloads) any.push_back(AnyPayload::of(std::move(payload)));
    std::vector<Result<Out>> out;
    for (auto& result : process_batch_any(any)) out.push_back(typed_one<Out>(std::move(result)));
    return out;
  }
  std::vector<Result<AnyPayload>> process_batch_any(const std::vector<AnyPayload>& payloads);

  /// record filter: shows it all records, in a pipeline's way; then whether it keeps one.
  std::optional<Error> prepare(const std::vector<RecordKey>& records);
  Result<bool> keep(const RecordKey& record);

  /// Closes the stage where it is open.
  std::optional<Error> close();

 private:
  static KeepRecord keep_all();
  static Error wrong_payload(std::string_view wanted, const AnyPayload& found);

  template <PayloadType Out>
  static Result<Out> typed_one(Result<AnyPayload> result) {
    if (result.is_filtered()) return result.filtered();
    if (result.is_error()) return result.error();
    if (const Out* payload = result->template as<Out>()) return *payload;
    return wrong_payload(Out::kPayloadName, *result);
  }
  template <PayloadType Out>
  static Result<std::vector<Out>> typed(Result<std::vector<AnyPayload>> result) {
    if (result.is_filtered()) return result.filtered();
    if (result.is_error()) return result.error();
    std::vector<Out> out;
    for (const AnyPayload& any : *result) {
      const Out* payload = any.template as<Out>();
      if (!payload) return wrong_payload(Out::kPayloadName, any);
      out.push_back(*payload);
    }
    return out;
  }

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flowtts::testing
