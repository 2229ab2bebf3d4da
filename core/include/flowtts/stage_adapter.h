#pragma once

#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <flowtts/registry.h>

/// Turns an author's typed stage into an `AnyStage`, and says in words what the author forgot.
namespace flowtts {
namespace detail {

template <template <class...> class Base, class... Args>
std::true_type derives_test(const Base<Args...>*);
template <template <class...> class Base>
std::false_type derives_test(...);
template <class T, template <class...> class Base>
inline constexpr bool kDerives = decltype(derives_test<Base>(static_cast<T*>(nullptr)))::value;

template <class T>
inline constexpr int kBases =
    int{kDerives<T, Source>} + int{kDerives<T, Map>} + int{kDerives<T, Filter>} +
    int{kDerives<T, Expand>} + int{kDerives<T, Gather>} + int{kDerives<T, DeviceStage>} +
    int{kDerives<T, Sink>} + int{std::is_base_of_v<RecordFilter, T>};

template <class T>
consteval StageKind kind_of() {
  static_assert(kBases<T> == 1,
                "a stage derives from exactly one of Source, Map, Filter, RecordFilter, Expand, "
                "Gather, DeviceStage, Sink");
  if constexpr (kDerives<T, Source>) return StageKind::kSource;
  if constexpr (kDerives<T, Map>) return StageKind::kMap;
  if constexpr (kDerives<T, Filter>) return StageKind::kFilter;
  if constexpr (kDerives<T, Expand>) return StageKind::kExpand;
  if constexpr (kDerives<T, Gather>) return StageKind::kGather;
  if constexpr (kDerives<T, DeviceStage>) return StageKind::kDevice;
  if constexpr (kDerives<T, Sink>) return StageKind::kSink;
  return StageKind::kRecordFilter;
}

template <class T>
const PayloadInfo* in_of() {
  if constexpr (requires { typename T::In; }) return &payload_info<typename T::In>();
  return nullptr;
}
template <class T>
const PayloadInfo* out_of() {
  if constexpr (requires { typename T::Out; }) return &payload_info<typename T::Out>();
  return nullptr;
}

/// Whether `process` may be called on one object by several threads at once. Sources and gathers
/// are called by one at a time whatever their spec says; the calls of record filters and device
/// stages are const in any case.
template <class T>
consteval bool works_on_many_threads() {
  constexpr StageKind kKind = kind_of<T>();
  if constexpr (kKind == StageKind::kMap || kKind == StageKind::kFilter ||
                kKind == StageKind::kExpand || kKind == StageKind::kSink) {
    return requires(const T& stage, const typename T::In& in, const Item& item) {
      stage.process(in, item);
    };
  }
  return true;
}

/// Whether a map can also run in a device stage's lanes.
template <class T>
consteval bool has_lane_form() {
  if constexpr (kind_of<T>() == StageKind::kMap) {
    return requires(const T& stage, DeviceId device) { stage.runs_in_lane(device); };
  }
  return false;
}

/// Whether a device stage may work in two halves.
template <class T>
inline constexpr bool kPrepares = requires(const T& stage) {
  typename T::Prepared;
  stage.prepares();
};

template <class R>
struct IsResult : std::false_type {};
template <class R>
struct IsResult<Result<R>> : std::true_type {};

/// Takes T or Result<T> as Result<T>.
template <class R>
auto as_result(R returned) {
  if constexpr (IsResult<R>::value) {
    return returned;
  } else {
    return Result<R>(std::move(returned));
  }
}

template <class To, class From>
Result<To> not_ok(const Result<From>& result) {
  if (result.is_filtered()) return result.filtered();
  return result.error();
}

}  // namespace detail

template <class T>
class StageAdapter final : public AnyStage {
  static constexpr StageKind kKind = detail::kind_of<T>();
  static_assert(std::is_default_constructible_v<T> && std::is_copy_constructible_v<T>,
                "a stage is default-constructible and copyable: what cannot be copied belongs into "
                "a shared_ptr made by open() or load()");

 public:
  StageAdapter() = default;

  void* object() override { return &stage_; }
  std::unique_ptr<AnyStage> clone() const override { return std::make_unique<StageAdapter>(*this); }

  void check(Checker& checker) const override {
    if constexpr (requires { stage_.check(checker); }) stage_.check(checker);
  }
  std::optional<Error> open(const RunContext& context) override {
    if constexpr (requires { stage_.open(context); }) return stage_.open(context);
    return std::nullopt;
  }
  std::optional<Error> close() override {
    if constexpr (requires { stage_.close(); }) return stage_.close();
    return std::nullopt;
  }
  std::optional<Error> commit() const override {
    if constexpr (requires { stage_.commit(); }) return stage_.commit();
    return std::nullopt;
  }
  std::string content() const override {
    if constexpr (requires { stage_.content(); }) return stage_.content();
    return {};
  }
  double growth() const override {
    if constexpr (requires { stage_.growth(); }) return stage_.growth();
    return 1.0;
  }

  std::optional<AnySourceRecord> next(const KeepRecord& keep) override {
    if constexpr (kKind == StageKind::kSource) {
      static_assert(
          requires { stage_.next(keep); },
          "a Source has: std::optional<SourceRecord<Out>> next(const KeepRecord& keep)");
      auto record = stage_.next(keep);
      if (!record) return std::nullopt;
      return AnySourceRecord{std::move(record->key), record->offset,
                             erase(std::move(record->payload))};
    } else {
      return AnyStage::next(keep);
    }
  }

  double fraction() const override {
    if constexpr (requires { stage_.fraction(); }) return stage_.fraction();
    return AnyStage::fraction();
  }

  Result<AnyPayload> process(const AnyPayload& in, const Item& item) override {
    if constexpr (kKind == StageKind::kMap) {
      static_assert(
          requires { stage_.process(payload(in), item); },
          "a Map has: Out process(const In&, const Item&) const");
      auto result = detail::as_result(stage_.process(payload(in), item));
      static_assert(std::is_same_v<typename decltype(result)::value_type, typename T::Out>,
                    "process returns the Out of its Map<In, Out>, or Result<Out>");
      return erase(std::move(result));
    } else if constexpr (kKind == StageKind::kFilter) {
      static_assert(
          requires { stage_.process(payload(in), item); },
          "a Filter has: std::optional<Filtered> process(const In&, const Item&) const");
      auto outcome = stage_.process(payload(in), item);
      if constexpr (detail::IsResult<decltype(outcome)>::value) {
        if (!outcome.ok()) return detail::not_ok<AnyPayload>(outcome);
      } else {
        if (outcome) return *std::move(outcome);
      }
      return in;
    } else if constexpr (kKind == StageKind::kSink) {
      static_assert(
          requires { stage_.process(payload(in), item); },
          "a Sink has: std::optional<Error> process(const In&, const Item&) const");
      std::optional<Error> error = stage_.process(payload(in), item);
      if (error) return *std::move(error);
      return AnyPayload();
    } else {
      return AnyStage::process(in, item);
    }
  }

  Result<std::vector<AnyPayload>> expand(const AnyPayload& in, const Item& item) override {
    using Many = std::vector<AnyPayload>;
    if constexpr (kKind == StageKind::kExpand) {
      static_assert(
          requires { stage_.process(payload(in), item); },
          "an Expand has: std::vector<Out> process(const In&, const Item&) const");
      auto result = detail::as_result(stage_.process(payload(in), item));
      if (!result.ok()) return detail::not_ok<Many>(result);
      Many out;
      out.reserve(result->size());
      for (auto& child : *result) out.push_back(AnyPayload::of(std::move(child)));
      if (out.empty()) return Filtered{"empty"};
      return out;
    } else {
      return AnyStage::expand(in, item);
    }
  }

  Result<AnyPayload> gather(AnyGathered gathered, const Item& item) override {
    if constexpr (kKind == StageKind::kGather) {
      Gathered<typename T::In> typed;
      typed.origin = std::move(gathered.origin);
      typed.offset = gathered.offset;
      typed.ended = std::move(gathered.ended);
      typed.arrived.reserve(gathered.arrived.size());
      for (auto& arrived : gathered.arrived) {
        typed.arrived.push_back(
            {std::move(arrived.path), arrived.payload.template shared_as<typename T::In>()});
      }
      static_assert(
          requires { stage_.process(typed, item); },
          "a Gather has: Out process(const Gathered<In>&, const Item&)");
      return erase(detail::as_result(stage_.process(typed, item)));
    } else {
      return AnyStage::gather(std::move(gathered), item);
    }
  }

  bool keep(const RecordKey& key, std::uint64_t seed) const override {
    if constexpr (kKind == StageKind::kRecordFilter) {
      static_assert(
          requires { stage_.keep(key, seed); },
          "a RecordFilter has: bool keep(const RecordKey&, std::uint64_t seed) const");
      return stage_.keep(key, seed);
    } else {
      return AnyStage::keep(key, seed);
    }
  }
  bool needs_scan() const override {
    if constexpr (requires(const RecordScan& scan, T stage) { stage.prepare(scan, 0U); }) {
      if constexpr (requires { stage_.needs_scan(); }) return stage_.needs_scan();
      return true;
    }
    return false;
  }
  std::optional<Error> prepare(const RecordScan& scan, std::uint64_t seed) override {
    if constexpr (requires { stage_.prepare(scan, seed); }) return stage_.prepare(scan, seed);
    return std::nullopt;
  }

  std::optional<Error> load(DeviceContext& device) override {
    if constexpr (requires { stage_.load(device); }) return stage_.load(device);
    return std::nullopt;
  }
  std::string runtime() const override {
    if constexpr (requires { stage_.runtime(); }) return stage_.runtime();
    return AnyStage::runtime();
  }
  std::size_t length(const AnyPayload& in) const override {
    if constexpr (kKind == StageKind::kDevice) {
      static_assert(
          requires { stage_.length(payload(in)); },
          "a DeviceStage has: std::size_t length(const In&) const");
      return stage_.length(payload(in));
    } else {
      return AnyStage::length(in);
    }
  }
  std::size_t max_batch(DeviceId device) const override {
    if constexpr (requires { stage_.max_batch(device); }) return stage_.max_batch(device);
    return AnyStage::max_batch(device);
  }
  std::vector<Result<AnyPayload>> process_batch(std::span<const AnyBatchItem> batch,
                                                DeviceContext& device) const override {
    if constexpr (kKind == StageKind::kDevice || detail::has_lane_form<T>()) {
      std::vector<BatchItem<typename T::In>> typed;
      typed.reserve(batch.size());
      for (const AnyBatchItem& any : batch) typed.push_back({payload(any.payload), any.item});
      const std::span<const BatchItem<typename T::In>> items(typed);
      static_assert(
          requires { stage_.process_batch(items, device); },
          "a DeviceStage has: std::vector<Result<Out>> process_batch("
          "std::span<const BatchItem<In>>, DeviceContext&) const");
      return erase_all(stage_.process_batch(items, device));
    } else {
      return AnyStage::process_batch(batch, device);
    }
  }
  bool runs_in_lane(DeviceId device) const override {
    if constexpr (detail::has_lane_form<T>()) return stage_.runs_in_lane(device);
    return false;
  }
  std::string numerics() const override {
    if constexpr (requires { stage_.numerics(); }) return stage_.numerics();
    return AnyStage::numerics();
  }
  std::string advice() const override {
    if constexpr (requires { stage_.advice(); }) return stage_.advice();
    return AnyStage::advice();
  }
  BatchShapes shapes() const override {
    if constexpr (requires { stage_.shapes(); }) return stage_.shapes();
    return AnyStage::shapes();
  }

  bool prepares() const override {
    if constexpr (detail::kPrepares<T>) return stage_.prepares();
    return false;
  }
  std::vector<Result<AnyPrepared>> prepare_batch(std::span<const AnyBatchItem> batch,
                                                 DeviceContext& device) const override {
    if constexpr (detail::kPrepares<T>) {
      std::vector<BatchItem<typename T::In>> typed;
      typed.reserve(batch.size());
      for (const AnyBatchItem& any : batch) typed.push_back({payload(any.payload), any.item});
      std::vector<Result<AnyPrepared>> out;
      out.reserve(batch.size());
      for (auto& made : stage_.prepare_batch(std::span(std::as_const(typed)), device)) {
        if (made.ok()) {
          using Prepared = typename T::Prepared;
          out.emplace_back(AnyPrepared(std::make_shared<const Prepared>(std::move(*made))));
        } else {
          out.push_back(detail::not_ok<AnyPrepared>(made));
        }
      }
      return out;
    } else {
      return AnyStage::prepare_batch(batch, device);
    }
  }
  std::size_t prepared_length(const AnyPrepared& prepared) const override {
    if constexpr (detail::kPrepares<T>) {
      return stage_.prepared_length(*static_cast<const typename T::Prepared*>(prepared.get()));
    } else {
      return AnyStage::prepared_length(prepared);
    }
  }
  std::size_t look_ahead() const override {
    if constexpr (requires { stage_.look_ahead(); }) return stage_.look_ahead();
    return AnyStage::look_ahead();
  }
  BatchShapes prepared_shapes() const override {
    if constexpr (requires { stage_.prepared_shapes(); }) return stage_.prepared_shapes();
    return AnyStage::prepared_shapes();
  }
  std::vector<Result<AnyPayload>> finish_batch(std::span<const AnyPreparedItem> batch,
                                               DeviceContext& device) const override {
    if constexpr (detail::kPrepares<T>) {
      using Prepared = typename T::Prepared;
      std::vector<PreparedItem<typename T::In, Prepared>> typed;
      typed.reserve(batch.size());
      for (const AnyPreparedItem& any : batch) {
        typed.push_back(
            {payload(any.payload), any.item, *static_cast<const Prepared*>(any.prepared.get())});
      }
      return erase_all(stage_.finish_batch(std::span(std::as_const(typed)), device));
    } else {
      return AnyStage::finish_batch(batch, device);
    }
  }

 private:
  static const auto& payload(const AnyPayload& any) { return *any.template as<typename T::In>(); }

  template <class Out>
  static Result<AnyPayload> erase(Result<Out> result) {
    if (!result.ok()) return detail::not_ok<AnyPayload>(result);
    return AnyPayload::of(std::move(result).value());
  }
  template <class Out>
  static std::vector<Result<AnyPayload>> erase_all(std::vector<Result<Out>> results) {
    std::vector<Result<AnyPayload>> out;
    out.reserve(results.size());
    for (auto& result : results) out.push_back(erase(std::move(result)));
    return out;
  }

  T stage_;
};

/// The stage type of an author's struct, as `FLOWTTS_STAGE` registers it in the global registry;
/// for a registry of one's own. Throws std::logic_error where the struct contradicts its own spec.
template <class T>
StageType make_stage_type() {
  static_assert(
      requires(Spec<T> & spec) { T::describe(spec); },
      "a stage has: static void describe(flowtts::Spec<T>& spec)");
  StageType type;
  Spec<T> spec(type.spec);
  T::describe(spec);
  type.kind = detail::kind_of<T>();
  type.in = detail::in_of<T>();
  type.out = detail::out_of<T>();
  type.has_lane_form = detail::has_lane_form<T>();
  type.make = [] { return std::make_unique<StageAdapter<T>>(); };
  if (!type.spec.serial && !detail::works_on_many_threads<T>()) {
    throw std::logic_error("stage type '" + type.spec.name +
                           "': its process() is not const, so several threads must not call it at "
                           "once: make it const, or declare the stage serial()");
  }
  if (type.spec.may_retake && type.kind != StageKind::kMap && type.kind != StageKind::kFilter &&
      type.kind != StageKind::kExpand && type.kind != StageKind::kSink) {
    throw std::logic_error("stage type '" + type.spec.name +
                           "': only a map, filter, expand or sink can be may_retake()");
  }
  return type;
}

/// What `FLOWTTS_STAGE` defines. Registers in its constructor.
template <class T>
class StageRegistration {
 public:
  StageRegistration() { StageRegistry::global().add(make_stage_type<T>()); }
};

}  // namespace flowtts
