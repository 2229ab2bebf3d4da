#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/stage_base.h>

/// Stages as the framework sees them: without their types. Authors of stages do not need this file;
/// who embeds FlowTTS uses `StageRegistry`.
namespace flowtts {

enum class StageKind { kSource, kMap, kFilter, kRecordFilter, kExpand, kGather, kDevice, kSink };

std::string_view stage_kind_name(StageKind kind);

struct AnySourceRecord {
  RecordKey key;
  std::uint64_t offset = 0;
  Result<AnyPayload> payload;
};

struct AnyGathered {
  struct Arrived {
    std::vector<std::uint32_t> path;
    AnyPayload payload;
  };
  AnyPayload origin;
  std::uint64_t offset = 0;
  std::vector<Arrived> arrived;
  std::vector<EndedItem> ended;
};

struct AnyBatchItem {
  const AnyPayload& payload;
  const Item& item;
};

/// What `prepare_batch` made of an item; null where nothing did.
using AnyPrepared = std::shared_ptr<const void>;

struct AnyPreparedItem {
  const AnyPayload& payload;
  const Item& item;
  const AnyPrepared& prepared;
};

/// A configured stage. Which of the calls below are meaningful follows from its kind; see the base
/// classes in stage.h for when and on which thread each is made. One that a stage of this kind must
/// have and has not throws std::logic_error; the optional ones do nothing.
class AnyStage {
 public:
  virtual ~AnyStage() = default;

  virtual void* object() = 0;  ///< The author's struct, for `ParamInfo::field`.
  virtual std::unique_ptr<AnyStage> clone() const = 0;

  virtual void check(Checker& checker) const = 0;
  virtual std::optional<Error> open(const RunContext& context) = 0;
  virtual std::optional<Error> close() = 0;
  virtual std::optional<Error> commit() const = 0;
  virtual std::string content() const = 0;
  virtual double growth() const = 0;

  virtual std::optional<AnySourceRecord> next(const KeepRecord& keep);
  virtual double fraction() const;  ///< Negative where the source cannot say.
  /// map, filter and sink: what goes on (an empty payload for a sink).
  virtual Result<AnyPayload> process(const AnyPayload& in, const Item& item);
  virtual Result<std::vector<AnyPayload>> expand(const AnyPayload& in, const Item& item);
  virtual Result<AnyPayload> gather(AnyGathered gathered, const Item& item);
  virtual bool keep(const RecordKey& key, std::uint64_t seed) const;
  virtual bool needs_scan() const;
  virtual std::optional<Error> prepare(const RecordScan& scan, std::uint64_t seed);
  virtual std::optional<Error> load(DeviceContext& device);
  virtual std::string runtime() const;  ///< Empty: the one that the stage's type declares.
  virtual std::size_t length(const AnyPayload& in) const;
  virtual std::size_t max_batch(DeviceId device) const;  ///< 0: no limit of the stage's own.
  virtual std::vector<Result<AnyPayload>> process_batch(std::span<const AnyBatchItem> batch,
                                                        DeviceContext& device) const;
  virtual bool runs_in_lane(DeviceId device) const;  ///< Of a map that has process_batch as well.
  virtual std::string numerics() const;
  virtual std::string advice() const;
  virtual BatchShapes shapes() const;
  virtual bool prepares() const;
  virtual std::vector<Result<AnyPrepared>> prepare_batch(std::span<const AnyBatchItem> batch,
                                                         DeviceContext& device) const;
  virtual std::size_t prepared_length(const AnyPrepared& prepared) const;
  virtual std::size_t look_ahead() const;  ///< The most that wait prepared; 0: the pipeline's.
  virtual BatchShapes prepared_shapes() const;
  virtual std::vector<Result<AnyPayload>> finish_batch(std::span<const AnyPreparedItem> batch,
                                                       DeviceContext& device) const;
};

/// A stage type.
struct StageType {
  StageSpec spec;
  StageKind kind = StageKind::kMap;
  const PayloadInfo* in = nullptr;   ///< Null for a source, and for a record filter (any type).
  const PayloadInfo* out = nullptr;  ///< Null for a sink, and for a record filter (as it came).
  bool has_lane_form = false;        ///< Of a map: can run in a device stage's lanes.
  std::function<std::unique_ptr<AnyStage>()> make;
};

/// The stage types of the program, by name. Filled before main; afterwards read-only, from any
/// thread.
class StageRegistry {
 public:
  static StageRegistry& global();

  /// Throws std::logic_error where the name is taken, empty or not snake_case: a mistake in a
  /// program, found at its first start.
  void add(StageType type);

  const StageType* find(std::string_view name) const;
  std::vector<const StageType*> all() const;  ///< Sorted by name.

 private:
  std::vector<std::unique_ptr<StageType>> types_;
};

}  // namespace flowtts
