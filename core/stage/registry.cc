#include <flowtts/registry.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace flowtts {
namespace {

/// A call that the stage's kind does not have: a mistake in the framework, never in a pipeline.
[[noreturn]] void not_this_kind(std::string_view call) {
  throw std::logic_error("AnyStage::" + std::string(call) +
                         " was called on a stage whose kind does not have it");
}

bool is_snake_case(std::string_view name) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty() || !lower(name.front()) || name.back() == '_') return false;
  if (name.find("__") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return lower(c) || digit(c) || c == '_'; });
}

bool named_before(const std::unique_ptr<StageType>& type, std::string_view name) {
  return type->spec.name < name;
}

}  // namespace

std::string_view stage_kind_name(StageKind kind) {
  switch (kind) {
    case StageKind::kSource:
      return "source";
    case StageKind::kMap:
      return "map";
    case StageKind::kFilter:
      return "filter";
    case StageKind::kRecordFilter:
      return "record_filter";
    case StageKind::kExpand:
      return "expand";
    case StageKind::kGather:
      return "gather";
    case StageKind::kDevice:
      return "device";
    case StageKind::kSink:
      return "sink";
  }
  return "unknown";
}

std::optional<AnySourceRecord> AnyStage::next(const KeepRecord&) { not_this_kind("next"); }
double AnyStage::fraction() const { return -1; }
Result<AnyPayload> AnyStage::process(const AnyPayload&, const Item&) { not_this_kind("process"); }
Result<std::vector<AnyPayload>> AnyStage::expand(const AnyPayload&, const Item&) {
  not_this_kind("expand");
}
Result<AnyPayload> AnyStage::gather(AnyGathered, const Item&) { not_this_kind("gather"); }
bool AnyStage::keep(const RecordKey&, std::uint64_t) const { not_this_kind("keep"); }
bool AnyStage::needs_scan() const { return false; }
std::optional<Error> AnyStage::prepare(const RecordScan&, std::uint64_t) { return std::nullopt; }
std::optional<Error> AnyStage::load(DeviceContext&) { return std::nullopt; }
std::string AnyStage::runtime() const { return ""; }
std::size_t AnyStage::length(const AnyPayload&) const { not_this_kind("length"); }
std::size_t AnyStage::max_batch(DeviceId) const { return 0; }
std::vector<Result<AnyPayload>> AnyStage::process_batch(std::span<const AnyBatchItem>,
                                                        DeviceContext&) const {
  not_this_kind("process_batch");
}
bool AnyStage::runs_in_lane(DeviceId) const { return false; }
std::string AnyStage::numerics() const { return ""; }
std::string AnyStage::advice() const { return ""; }
BatchShapes AnyStage::shapes() const { return {}; }
bool AnyStage::prepares() const { return false; }
std::vector<Result<AnyPrepared>> AnyStage::prepare_batch(std::span<const AnyBatchItem>,
                                                         DeviceContext&) const {
  not_this_kind("prepare_batch");
}
std::size_t AnyStage::prepared_length(const AnyPrepared&) const {
  not_this_kind("prepared_length");
}
std::size_t AnyStage::look_ahead() const { return 0; }
BatchShapes AnyStage::prepared_shapes() const { return {}; }
std::vector<Result<AnyPayload>> AnyStage::finish_batch(std::span<const AnyPreparedItem>,
                                                       DeviceContext&) const {
  not_this_kind("finish_batch");
}

StageRegistry& StageRegistry::global() {
  static StageRegistry registry;
  return registry;
}

void StageRegistry::add(StageType type) {
  const std::string& name = type.spec.name;
  if (!is_snake_case(name)) {
    throw std::logic_error("a stage type's name is snake_case, such as 'clean_text'; found '" +
                           name + "'");
  }
  const auto place = std::lower_bound(types_.begin(), types_.end(), name, named_before);
  if (place != types_.end() && (*place)->spec.name == name) {
    throw std::logic_error("two stage types are named '" + name + "'");
  }
  types_.insert(place, std::make_unique<StageType>(std::move(type)));
}

const StageType* StageRegistry::find(std::string_view name) const {
  const auto place = std::lower_bound(types_.begin(), types_.end(), name, named_before);
  return place != types_.end() && (*place)->spec.name == name ? place->get() : nullptr;
}

std::vector<const StageType*> StageRegistry::all() const {
  std::vector<const StageType*> types;
  types.reserve(types_.size());
  for (const auto& type : types_) types.push_back(type.get());
  return types;
}

}  // namespace flowtts
