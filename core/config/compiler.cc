#include "core/config/compiler.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/config/overrides.h"
#include "core/config/params.h"
#include "core/config/variables.h"
#include "core/device/devices.h"

namespace flowtts {
namespace {

const std::vector<std::string> kRootKeys{"flowtts", "name", "description", "vars", "run", "stages"};

bool is_snake_case(std::string_view text) {
  const bool letters =
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
  return !text.empty() && letters && text[0] >= 'a' && text[0] <= 'z';
}

const yaml::Node* value_at(const yaml::Node& map, std::string_view key) {
  const yaml::Entry* entry = map.find(key);
  return entry && !entry->value->is_null() ? entry->value.get() : nullptr;
}

/// Passes a stage's own findings on, at the place of the parameter that they are about.
class StageChecker final : public Checker {
 public:
  StageChecker(const yaml::Node& node, std::string what, PipelineStage& stage,
               Diagnostics& diagnostics)
      : node_(node), what_(std::move(what)), stage_(stage), diagnostics_(diagnostics) {}

  void error(std::string_view param, std::string message) override {
    diagnostics_.error(place(param), "bad-parameter", text(param, message));
  }
  void warning(std::string_view param, std::string message) override {
    diagnostics_.warning(place(param), "parameter", text(param, message));
  }
  void note(std::string text) override { stage_.notes.push_back(std::move(text)); }
  void device_bytes(std::uint64_t once, std::uint64_t each_item) override {
    stage_.device_bytes_once = once;
    stage_.device_bytes_each_item = each_item;
  }

 private:
  SourcePosition place(std::string_view param) const {
    const yaml::Node* with = value_at(node_, "with");
    const yaml::Entry* entry = with && with->is_map() ? with->find(param) : nullptr;
    return entry ? entry->value->where : node_.where;
  }
  std::string text(std::string_view param, const std::string& message) const {
    return param.empty() ? fmt::format("{}: {}", what_, message)
                         : fmt::format("{}: '{}': {}", what_, param, message);
  }

  const yaml::Node& node_;
  std::string what_;
  PipelineStage& stage_;
  Diagnostics& diagnostics_;
};

/// \param configured whether all parameters are set; otherwise only its type can be asked.
std::string runtime_of(const PipelineStage& stage, bool configured) {
  if (stage.type->kind != StageKind::kDevice) return "";
  try {
    std::string own = configured ? stage.stage->runtime() : "";
    if (!own.empty()) return own;
  } catch (const std::exception&) {
    // Whatever it stumbled over, its check meets as well, and says so in its place.
  }
  return stage.type->spec.runtime;
}

}  // namespace

std::string PipelineCompiler::name_of(const PipelineStage& stage) const {
  if (stage.type) return fmt::format("stage '{}' ({})", stage.id, stage.type->spec.name);
  return stage.id.empty() ? "this stage" : fmt::format("stage '{}'", stage.id);
}

std::optional<Pipeline> PipelineCompiler::compile(yaml::NodePtr root, const std::string& file) {
  if (!root) return std::nullopt;
  pipeline_.file_ = file;
  if (!root->is_map()) {
    error(root->where, "wrong-type",
          fmt::format("the file holds {}, expected a map with {}", root->describe(),
                      list_words(kRootKeys)));
    return std::nullopt;
  }
  root = apply_overrides(std::move(root), options_.overrides, diagnostics_);
  const yaml::Node* vars = value_at(*root, "vars");
  if (vars && !vars->is_map()) {
    error(vars->where, "wrong-type", "vars: found " + vars->describe() + ", expected a map");
    vars = nullptr;
  }
  Environment environment = options_.environment;
  if (!environment) {
    environment = [](const std::string& name) -> std::optional<std::string> {
      const char* value = std::getenv(name.c_str());
      return value ? std::optional<std::string>(value) : std::nullopt;
    };
  }
  root = Variables(vars, std::move(environment), diagnostics_).expand_file(*root);

  read_head(*root);
  read_run(value_at(*root, "run"));
  const yaml::Node* stages = value_at(*root, "stages");
  if (stages && !stages->is_list() && !stages->faulty) {
    error(stages->where, "wrong-type",
          fmt::format("stages: found {}, expected a list of stages: - {{id: ..., type: ...}}",
                      stages->describe()));
    return std::nullopt;
  }
  if (!stages || stages->items.empty()) {
    error(stages ? stages->where : root->where, "missing-key",
          "'stages' is required: a list of stages, the source first");
    return std::nullopt;
  }
  read_stages(*stages);
  connect();
  check_sources();
  const std::vector<std::size_t> order = flow_order();
  check_ends();
  check_types(order);
  if (!diagnostics_.has_errors()) {
    place_record_filters();
    place_lane_maps();
    estimate_growth(order);
  }
  if (diagnostics_.has_errors()) return std::nullopt;
  pipeline_.config_json_ = tree_json(*root);
  return std::move(pipeline_);
}

std::optional<PipelineStage> PipelineCompiler::compile_stage(const yaml::NodePtr& node,
                                                             const std::string& file) {
  pipeline_.file_ = file;
  if (!node) return std::nullopt;
  if (!node->is_map()) {
    error(node->where, "wrong-type",
          "found " + node->describe() + ", expected a stage's keys, such as type: ...");
    return std::nullopt;
  }
  read_stage(node);
  if (const yaml::Entry* from = node->find("from")) {
    error(from->where, "misplaced-key", "a stage that stands alone has no 'from'");
  }
  if (diagnostics_.has_errors()) return std::nullopt;
  return std::move(pipeline_.stages_.front());
}

void PipelineCompiler::read_head(const yaml::Node& root) {
  for (const yaml::Entry& entry : root.entries) {
    if (std::find(kRootKeys.begin(), kRootKeys.end(), entry.key) != kRootKeys.end()) continue;
    error(entry.where, "unknown-key",
          fmt::format("unknown key '{}'; allowed is {}{}", entry.key, list_words(kRootKeys),
                      did_you_mean(entry.key, kRootKeys)));
  }
  const yaml::Entry* version = root.find("flowtts");
  if (!version) {
    error(root.where, "missing-key", "'flowtts: 1' is required: the version of the file's format");
  } else if (version->value->text != "1") {
    error(version->value->where, "format-version",
          fmt::format("found format version {}, this FlowTTS reads version 1",
                      version->value->describe()));
  }
  const yaml::Node* name = value_at(root, "name");
  pipeline_.name_ = name ? name->text : std::filesystem::path(pipeline_.file_).stem().string();
  if (name && !name->is_scalar()) {
    error(name->where, "wrong-type", "name: found " + name->describe() + ", expected a text");
  }
}

void PipelineCompiler::read_run(const yaml::Node* run) {
  const SourcePosition where = run ? run->where : SourcePosition{pipeline_.file_, 0, 0};
  const std::vector<std::string> others{"on_error"};
  read_params(run, run_params(), &pipeline_.settings_, where, "run", diagnostics_, others);
  const yaml::Node* on_error = run && run->is_map() ? value_at(*run, "on_error") : nullptr;
  read_params(on_error, on_error_params(), &pipeline_.settings_, where, "run.on_error",
              diagnostics_);
  if (!parse_memory_limit(pipeline_.settings_.device_memory_limit)) {
    const yaml::Node* value =
        run && run->is_map() ? value_at(*run, "device_memory_limit") : nullptr;
    error(value ? value->where : where, "wrong-type",
          fmt::format("run: 'device_memory_limit': found '{}', expected a size such as 16GiB or a "
                      "share of the device's memory such as 80%",
                      pipeline_.settings_.device_memory_limit));
  }
  bool share = false;
  if (!parse_max_failed(pipeline_.settings_.max_failed, share)) {
    const yaml::Node* value = on_error ? value_at(*on_error, "max_failed") : nullptr;
    error(
        value ? value->where : where, "wrong-type",
        fmt::format("run.on_error: 'max_failed': found '{}', expected a number of records such as "
                    "100 or a share such as 1%",
                    pipeline_.settings_.max_failed));
  }
}

void PipelineCompiler::read_stages(const yaml::Node& list) {
  nodes_.reserve(list.items.size());
  for (const yaml::NodePtr& node : list.items) {
    if (!node->is_map()) {
      error(node->where, "wrong-type",
            "stages: found " + node->describe() + ", expected a stage: {id: ..., type: ...}");
      continue;
    }
    read_stage(node);
  }
}

void PipelineCompiler::read_stage(const yaml::NodePtr& node) {
  PipelineStage stage;
  stage.where = node->where;
  const yaml::Node* id = value_at(*node, "id");
  const yaml::Node* type = value_at(*node, "type");
  stage.id = id && id->is_scalar() ? id->text : type && type->is_scalar() ? type->text : "";
  if (id && !id->faulty &&
      (!id->is_scalar() || !is_snake_case(id->text) || id->text == "vars" || id->text == "run")) {
    error(id->where, "bad-id",
          fmt::format("found {} as a stage's id, expected a name of small letters, digits and '_' "
                      "that begins with a letter and is neither vars nor run",
                      id->describe()));
  }
  for (const PipelineStage& other : pipeline_.stages_) {
    if (stage.id.empty() || other.id != stage.id) continue;
    error(id ? id->where : node->where, "duplicate-id",
          fmt::format("two stages have the id '{}'; the first is at {}:{}; give this one an id of "
                      "its own",
                      stage.id, other.where.line, other.where.column));
    break;
  }
  read_type(*node, stage);
  const auto known = stage_keys();
  const std::vector<std::string> keys(known.begin(), known.end());
  for (const yaml::Entry& entry : node->entries) {
    if (std::find(keys.begin(), keys.end(), entry.key) != keys.end()) continue;
    std::string hint = did_you_mean(entry.key, keys);
    if (stage.type) {
      const auto& params = stage.type->spec.params;
      const bool is_param = std::any_of(params.begin(), params.end(), [&](const ParamInfo& param) {
        return param.name == entry.key;
      });
      if (is_param) hint = "; it is a parameter: put it into 'with'";
    }
    error(entry.where, "unknown-key",
          fmt::format("{}: unknown key '{}'; allowed is {}{}", name_of(stage), entry.key,
                      list_words(keys), hint));
  }
  if (stage.type) {
    read_numbers(*node, stage);
    configure(*node, stage);
    read_devices(*node, stage);
  }
  pipeline_.stages_.push_back(std::move(stage));
  nodes_.push_back(node);
}

void PipelineCompiler::read_type(const yaml::Node& node, PipelineStage& stage) {
  const yaml::Node* type = value_at(node, "type");
  std::vector<std::string> names;
  for (const StageType* known : options_.registry->all()) names.push_back(known->spec.name);
  if (!type || !type->is_scalar()) {
    error(type ? type->where : node.where, "missing-key",
          fmt::format("{}: 'type' is required: one of {}", name_of(stage), list_words(names)));
    return;
  }
  stage.type = options_.registry->find(type->text);
  if (!stage.type && !type->faulty) {
    error(type->where, "unknown-stage-type",
          fmt::format("{}: unknown type '{}'; known is {}{}", name_of(stage), type->text,
                      list_words(names), did_you_mean(type->text, names)));
  }
}

void PipelineCompiler::read_numbers(const yaml::Node& node, PipelineStage& stage) {
  const bool device = stage.type->kind == StageKind::kDevice;
  for (const std::string_view key : {"devices", "lanes", "batch", "recycle"}) {
    const yaml::Entry* entry = node.find(key);
    if (!entry || device || (key == "devices" && stage.type->has_lane_form)) continue;
    error(entry->where, "misplaced-key",
          fmt::format("{}: '{}' is for stages that work on devices; this one is a {} stage",
                      name_of(stage), key, stage_kind_name(stage.type->kind)));
  }
  struct Numbers {
    int concurrency = 1;
    int lanes = 0;
  } numbers;
  StageSpec spec;
  Spec<Numbers>(spec)
      .param("concurrency", &Numbers::concurrency, "How many threads work on this stage at once.")
      .range(1, 1024)
      .param("lanes", &Numbers::lanes, "Threads for each device.")
      .range(1, 64);
  const bool serial = stage.type->spec.serial || stage.type->kind == StageKind::kSource ||
                      stage.type->kind == StageKind::kGather;
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  auto given = std::make_shared<yaml::Node>();
  given->kind = yaml::Node::Kind::kMap;
  for (const char* key : {"concurrency", "lanes"}) {
    const yaml::Entry* entry = node.find(key);
    if (!entry) continue;
    const bool automatic = entry->value->is_scalar() && entry->value->text == "auto";
    if (automatic && entry->key == "concurrency") numbers.concurrency = serial ? 1 : cores;
    if (!automatic) given->entries.push_back(*entry);
  }
  read_params(given.get(), spec.params, &numbers, node.where, name_of(stage), diagnostics_);
  stage.concurrency = numbers.concurrency;
  stage.lanes = numbers.lanes;

  const yaml::Entry* concurrency = node.find("concurrency");
  if (!concurrency) return;
  if (device) {
    error(concurrency->where, "misplaced-key",
          fmt::format("{}: a device stage has 'lanes', threads for each device, not 'concurrency'",
                      name_of(stage)));
  } else if (stage.concurrency > 1 && serial) {
    error(concurrency->value->where, "serial-stage",
          fmt::format("{}: works on one item at a time, so its concurrency is 1", name_of(stage)));
  }
}

std::optional<std::vector<std::string>> PipelineCompiler::read_device_names(
    const yaml::Node& node, const PipelineStage& stage) {
  const yaml::Node* devices = value_at(node, "devices");
  if (!devices) return std::vector<std::string>{"auto"};
  StageSpec spec;
  struct Names {
    std::vector<std::string> devices;
  } given;
  Spec<Names>(spec).param("devices", &Names::devices, "The devices.");
  auto map = std::make_shared<yaml::Node>();
  map->kind = yaml::Node::Kind::kMap;
  map->entries.push_back(*node.find("devices"));
  Diagnostics found;
  read_params(map.get(), spec.params, &given, node.where, name_of(stage), found);
  for (const Diagnostic& one : found.sorted()) error(one.where, one.code, one.message);
  if (found.has_errors() || devices->faulty) return std::nullopt;
  return given.devices;
}

/// A map that could run in a device stage's lanes is told to do so, or to stay on the CPU.
void PipelineCompiler::read_place_of_map(const yaml::Node& node, PipelineStage& stage) {
  if (!stage.type->has_lane_form) return;
  const auto names = read_device_names(node, stage);
  if (!names) return;
  stage.on_host = *names == std::vector<std::string>{"cpu"};
  if (stage.on_host || *names == std::vector<std::string>{"auto"}) return;
  error(
      value_at(node, "devices")->where, "bad-device",
      fmt::format("{}: 'devices': found {}, expected auto, which is where the device stage before "
                  "it works, or cpu",
                  name_of(stage), list_words(*names)));
}

void PipelineCompiler::read_devices(const yaml::Node& node, PipelineStage& stage) {
  read_place_of_map(node, stage);
  if (stage.type->kind != StageKind::kDevice) return;
  read_params(value_at(node, "batch"), batch_params(), &stage.batch, node.where,
              name_of(stage) + ": batch", diagnostics_);
  read_params(value_at(node, "recycle"), recycle_params(), &stage.recycle, node.where,
              name_of(stage) + ": recycle", diagnostics_);
  const auto given = read_device_names(node, stage);
  if (!given) return;
  const std::vector<std::string>& names = *given;
  const yaml::Node* devices = value_at(node, "devices");
  if (!gpus_) gpus_ = options_.gpus ? options_.gpus() : visible_gpus();
  const bool cpu_only = stage.runtime == "host";  // core itself reaches no GPU
  const auto is_gpu = [](const std::string& device) { return device.starts_with("cuda"); };
  if (const auto gpu = std::find_if(names.begin(), names.end(), is_gpu);
      cpu_only && gpu != names.end()) {
    error(devices->where, "bad-device",
          fmt::format("{}: 'devices': found '{}', and as it is configured this stage works on CPUs "
                      "alone; allowed are auto, cpu and cpu:N",
                      name_of(stage), *gpu));
    return;
  }
  auto parsed = parse_devices(names, cpu_only ? std::vector<DeviceInfo>() : *gpus_);
  if (parsed.ok()) {
    stage.devices = *parsed;
  } else {
    error(devices ? devices->where : node.where, "bad-device",
          fmt::format("{}: 'devices': {}", name_of(stage), parsed.error().message));
  }
}

void PipelineCompiler::configure(const yaml::Node& node, PipelineStage& stage) {
  stage.stage = stage.type->make();
  const yaml::Node* with = value_at(node, "with");
  const SourcePosition where = with ? with->where : node.where;
  Diagnostics found;
  read_params(with, stage.type->spec.params, stage.stage->object(), where, name_of(stage), found);
  const bool good = !found.has_errors();
  for (const Diagnostic& one : found.sorted()) error(one.where, one.code, one.message);
  stage.runtime = runtime_of(stage, good);
  if (!good) return;  // what a stage finds in half-set parameters would only confuse
  StageChecker checker(node, name_of(stage), stage, diagnostics_);
  try {
    stage.stage->check(checker);
  } catch (const std::exception& exception) {
    checker.error("", fmt::format("its check failed: {}", exception.what()));
  }
}

/// A number as JSON. Integers keep all their digits, which a double would not.
void write_number(JsonWriter& json, const yaml::Node& node, double number) {
  std::string_view digits = node.text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const auto is_all = [&](const std::from_chars_result& read) {
    return read.ec == std::errc() && read.ptr == digits.data() + digits.size();
  };
  std::int64_t integer = 0;
  std::uint64_t large = 0;
  if (is_all(std::from_chars(digits.data(), digits.data() + digits.size(), integer))) {
    json.value(integer);
  } else if (is_all(std::from_chars(digits.data(), digits.data() + digits.size(), large))) {
    json.value(large);
  } else {
    json.value(number);
  }
}

std::string tree_json(const yaml::Node& root) {
  JsonWriter json;
  const auto write = [&](const auto& self, const yaml::Node& node) -> void {
    switch (node.kind) {
      case yaml::Node::Kind::kNull:
        json.null();
        break;
      case yaml::Node::Kind::kScalar:
        if (const auto flag = yaml::as_bool(node)) {
          json.value(*flag);
        } else if (const auto number = yaml::as_number(node)) {
          write_number(json, node, *number);
        } else {
          json.value(node.text);
        }
        break;
      case yaml::Node::Kind::kList:
        json.begin_array();
        for (const yaml::NodePtr& item : node.items) self(self, *item);
        json.end_array();
        break;
      case yaml::Node::Kind::kMap:
        json.begin_object();
        for (const yaml::Entry& entry : node.entries) {
          json.key(entry.key);
          self(self, *entry.value);
        }
        json.end_object();
        break;
    }
  };
  write(write, root);
  return std::string(json.text());
}

std::optional<Pipeline> Pipeline::parse(std::string_view text, const std::string& file,
                                        const Options& options, Diagnostics& diagnostics) {
  return PipelineCompiler(options, diagnostics).compile(yaml::parse(text, file, diagnostics), file);
}

std::optional<Pipeline> Pipeline::read(const std::filesystem::path& file, const Options& options,
                                       Diagnostics& diagnostics) {
  return PipelineCompiler(options, diagnostics)
      .compile(yaml::read(file, diagnostics), file.string());
}

}  // namespace flowtts
