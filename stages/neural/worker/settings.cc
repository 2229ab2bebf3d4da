#include "stages/neural/worker/settings.h"

#include <array>
#include <charconv>
#include <system_error>

#include <flowtts/diagnostics.h>
#include <flowtts/json.h>
#include <flowtts/spec.h>
#include <fmt/format.h>

#include "core/config/params.h"
#include "core/config/yaml_tree.h"

namespace flowtts {
namespace {

constexpr std::array<std::string_view, 8> kKeys{
    "command", "python", "options", "start_timeout_s", "item_timeout_s", "heartbeat_timeout_s",
    "memory",  "recycle"};

constexpr double kLongestWait = 86'400;

struct Given {
  std::vector<std::string> command;
  double start_timeout_s = WorkerSettings{}.start_timeout_s;
  double item_timeout_s = WorkerSettings{}.item_timeout_s;
  double heartbeat_timeout_s = WorkerSettings{}.heartbeat_timeout_s;
  ByteSize memory;
  std::uint64_t after_items = 0;
};

std::vector<ParamInfo> params_of_process() {
  StageSpec params;
  Spec<Given>(params)
      .param("start_timeout_s", &Given::start_timeout_s, "until the model is loaded")
      .range(0.1, kLongestWait)
      .unit("seconds")
      .param("item_timeout_s", &Given::item_timeout_s, "for each sentence of a batch")
      .range(0.1, kLongestWait)
      .unit("seconds")
      .param("heartbeat_timeout_s", &Given::heartbeat_timeout_s,
             "without a sign of life while it works")
      .range(0.1, kLongestWait)
      .unit("seconds")
      .param("memory", &Given::memory, "host memory that a process takes at the most");
  return std::move(params.params);
}

std::vector<ParamInfo> params_of_command() {
  StageSpec params;
  Spec<Given>(params)
      .param("command", &Given::command, "the program and its arguments, as [python3, voice.py]")
      .required();
  return std::move(params.params);
}

std::vector<ParamInfo> params_of_recycle() {
  StageSpec params;
  Spec<Given>(params)
      .param("after_items", &Given::after_items, "sentences after which a process is replaced")
      .required()
      .at_least(1)
      .unit("sentences");
  return std::move(params.params);
}

/// Reads those of `params` that the map has among other keys.
void read_some(const yaml::Node& map, const std::vector<ParamInfo>& params, Given& given,
               const SourcePosition& where, Diagnostics& diagnostics) {
  std::vector<std::string> others;
  for (const yaml::Entry& entry : map.entries) others.push_back(entry.key);
  read_params(&map, params, &given, where, "voice", diagnostics, others);
}

/// Files that the command names, and a complaint of a script that is not there.
std::vector<std::filesystem::path> files_of(const yaml::Node& command,
                                            const std::vector<std::string>& words,
                                            const std::filesystem::path& folder,
                                            Diagnostics& diagnostics) {
  std::vector<std::filesystem::path> files;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    std::error_code ignored;
    const bool program = i == 0 && word.find('/') == std::string::npos;  // of PATH
    if (word.empty() || program) continue;
    const std::filesystem::path file = (folder / word).lexically_normal();
    if (std::filesystem::is_regular_file(file, ignored)) {
      files.push_back(file);
    } else if (i == 0 || word.ends_with(".py")) {
      const SourcePosition& where =
          i < command.items.size() ? command.items[i]->where : command.where;
      diagnostics.error(where, "missing-file",
                        fmt::format("voice: 'command': there is no file {}", file.string()));
    }
  }
  return files;
}

void write_json(JsonWriter& json, const yaml::Node& node) {
  if (node.is_map()) {
    json.begin_object();
    for (const yaml::Entry& entry : node.entries) {
      json.key(entry.key);
      write_json(json, *entry.value);
    }
    json.end_object();
  } else if (node.is_list()) {
    json.begin_array();
    for (const yaml::NodePtr& item : node.items) write_json(json, *item);
    json.end_array();
  } else if (node.is_null()) {
    json.null();
  } else if (const auto flag = yaml::as_bool(node)) {
    json.value(*flag);
  } else if (const auto number = yaml::as_number(node)) {
    std::int64_t whole = 0;
    const char* const end = node.text.data() + node.text.size();
    const auto [stop, failed] = std::from_chars(node.text.data(), end, whole);
    if (failed == std::errc() && stop == end) {
      json.value(whole);
    } else {
      json.value(*number);
    }
  } else {
    json.value(node.text);
  }
}

}  // namespace

std::span<const std::string_view> worker_keys() { return kKeys; }

WorkerSettings read_process_settings(const yaml::Node& voice, const std::filesystem::path& file,
                                     Diagnostics& diagnostics) {
  Given given;
  read_some(voice, params_of_process(), given, {file.string(), 0, 0}, diagnostics);
  if (const yaml::Entry* recycle = voice.find("recycle")) {
    read_params(recycle->value.get(), params_of_recycle(), &given, recycle->where,
                "voice 'recycle'", diagnostics);
  }
  WorkerSettings settings;
  settings.start_timeout_s = given.start_timeout_s;
  settings.item_timeout_s = given.item_timeout_s;
  settings.heartbeat_timeout_s = given.heartbeat_timeout_s;
  settings.memory = given.memory.bytes;
  settings.recycle_after_items = given.after_items;
  return settings;
}

WorkerSettings read_worker_settings(const yaml::Node& voice, const std::filesystem::path& file,
                                    Diagnostics& diagnostics) {
  WorkerSettings settings = read_process_settings(voice, file, diagnostics);
  Given given;
  read_some(voice, params_of_command(), given, {file.string(), 0, 0}, diagnostics);
  settings.command = given.command;
  if (const yaml::Entry* command = voice.find("command"); command && !given.command.empty()) {
    settings.files = files_of(*command->value, given.command, file.parent_path(), diagnostics);
  } else if (command && command->value->is_list() && command->value->items.empty()) {
    diagnostics.error(command->value->where, "missing-value",
                      "voice: 'command': a program is needed, as [python3, voice.py]");
  }
  if (const yaml::Entry* python = voice.find("python")) {
    diagnostics.error(python->where, "misplaced-key",
                      "voice: 'python': it is the first word of 'command' that names a worker's "
                      "program");
  }
  if (const yaml::Entry* options = voice.find("options"); options && !options->value->is_null()) {
    if (options->value->is_map()) {
      settings.options = json_of(*options->value);
    } else {
      diagnostics.error(options->value->where, "wrong-type",
                        fmt::format("voice: 'options': found {}, expected a map: it is handed to "
                                    "the worker as it is",
                                    options->value->describe()));
    }
  }
  return settings;
}

void refuse_worker_keys(const yaml::Node& voice, std::string_view format,
                        Diagnostics& diagnostics) {
  for (const std::string_view key : kKeys) {
    const yaml::Entry* entry = voice.find(key);
    if (!entry) continue;
    diagnostics.error(
        entry->where, "misplaced-key",
        fmt::format("voice: '{}': a voice of the format '{}' has no workers; 'format: "
                    "worker' has",
                    key, format));
  }
}

std::string json_of(const yaml::Node& node) {
  JsonWriter json;
  write_json(json, node);
  return std::string(json.text());
}

}  // namespace flowtts
