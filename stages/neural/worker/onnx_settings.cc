#include "stages/neural/worker/onnx_settings.h"

#include <array>
#include <system_error>
#include <utility>

#include <flowtts/diagnostics.h>
#include <flowtts/json.h>
#include <flowtts/spec.h>
#include <fmt/format.h>

#include "core/config/params.h"
#include "core/config/yaml_tree.h"
#include "stages/text/text_front_end.h"

namespace flowtts {
namespace {

struct Given {
  std::string python = "python3";

  std::filesystem::path symbols;
  std::optional<std::int64_t> start, end, blank, pad;
  std::uint64_t max_batch = 1;
  bool batch_invariant = false;
  std::uint64_t threads = 1;
  std::vector<std::string> providers;
};

std::vector<ParamInfo> params_of_voice() {
  StageSpec params;
  Spec<Given>(params).param("python", &Given::python,
                            "the Python that has onnxruntime, a path or a name in PATH");
  return std::move(params.params);
}

std::vector<ParamInfo> params_of_options() {
  StageSpec params;
  Spec<Given>(params)
      .param("symbols", &Given::symbols, "a file with a line for each symbol and its token")
      .param("start", &Given::start, "the token before a sentence")
      .param("end", &Given::end, "the token behind a sentence")
      .param("blank", &Given::blank, "the token between all others")
      .param("pad", &Given::pad, "the token that short rows of a batch are filled with")
      .param("max_batch", &Given::max_batch, "the most sentences that the model is given at once")
      .at_least(1)
      .param("batch_invariant", &Given::batch_invariant,
             "whether a sentence's samples are the same whatever its company")
      .param("threads", &Given::threads, "of the CPU")
      .at_least(1)
      .param("providers", &Given::providers, "onnxruntime's execution providers, the first wanted");
  return std::move(params.params);
}

/// Names that the worker has for what the voice file says elsewhere.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kElsewhere{{
    {"inputs", "inputs: {...}"},
    {"output", "outputs: {audio: ...}"},
    {"output_lengths", "outputs: {lengths: ...}"},
    {"hop", "hop: ... with outputs: {lengths_in: frames}"},
    {"model", "model: ..."},
}};

class OnnxReader {
 public:
  OnnxReader(const yaml::Node& voice, const std::filesystem::path& file, Diagnostics& diagnostics)
      : voice_(voice), file_(file), diagnostics_(diagnostics) {}

  WorkerSettings read(const ModelIo& io, std::uint32_t hop) {
    WorkerSettings settings = read_process_settings(voice_, file_, diagnostics_);
    read_python();
    settings.command = {given_.python};
    refuse_command();
    read_options(settings);
    check_front_end();
    settings.options = as_json(io, hop);
    return settings;
  }

 private:
  void read_python() {
    std::vector<std::string> others;
    for (const yaml::Entry& entry : voice_.entries) others.push_back(entry.key);
    read_params(&voice_, params_of_voice(), &given_, {file_.string(), 0, 0}, "voice", diagnostics_,
                others);
    const yaml::Entry* python = voice_.find("python");
    if (!python || given_.python.find('/') == std::string::npos) return;
    check_file(*python, "voice: 'python'", given_.python);
  }

  void refuse_command() {
    if (const yaml::Entry* command = voice_.find("command")) {
      diagnostics_.error(command->where, "misplaced-key",
                         "voice: 'command': a voice of the format 'onnx' is run by FlowTTS's own "
                         "worker; 'python: /path/to/python3' names the Python that has "
                         "onnxruntime, and 'format: worker' runs a command");
    }
  }

  void read_options(WorkerSettings& settings) {
    const yaml::Entry* options = voice_.find("options");
    if (!options || options->value->is_null()) return;
    std::vector<std::string> elsewhere;
    for (const auto& [name, key] : kElsewhere) {
      const yaml::Entry* entry = options->value->find(name);
      if (!entry) continue;
      elsewhere.emplace_back(name);
      diagnostics_.error(entry->where, "misplaced-key",
                         fmt::format("voice 'options': '{}': in a voice of the format 'onnx' it "
                                     "stands in the voice file itself, as '{}'",
                                     name, key));
    }
    read_params(options->value.get(), params_of_options(), &given_, options->where,
                "voice 'options'", diagnostics_, elsewhere);
    const yaml::Entry* symbols = options->value->find("symbols");
    if (symbols && !given_.symbols.empty()) {
      check_file(*symbols, "voice 'options': 'symbols'", given_.symbols);
      settings.files.push_back((file_.parent_path() / given_.symbols).lexically_normal());
    }
  }

  /// A model reads tokens; of text they are made by a table of symbols.
  void check_front_end() {
    const yaml::Entry* front_end = voice_.find("front_end");
    const yaml::Entry* type = front_end ? front_end->value->find("type") : nullptr;
    if (!type || type->value->text != kTextFrontEnd || !given_.symbols.empty()) return;
    diagnostics_.error(type->value->where, "missing-key",
                       "voice 'front_end': 'text' makes no tokens for an ONNX model: name its "
                       "table, as 'options: {symbols: symbols.txt}', or take another front end");
  }

  void check_file(const yaml::Entry& entry, std::string_view what,
                  const std::filesystem::path& name) {
    std::error_code ignored;
    const std::filesystem::path file = (file_.parent_path() / name).lexically_normal();
    if (std::filesystem::is_regular_file(file, ignored)) return;
    diagnostics_.error(entry.value->where, "missing-file",
                       fmt::format("{}: there is no file {}", what, file.string()));
  }

  static void write_output(JsonWriter& json, std::string_view key, const ModelOutput& output) {
    if (!output.name.empty()) json.field(key, output.name);
  }

  static void write_place(JsonWriter& json, const std::string& key, const SourcePosition& where) {
    json.field(key, fmt::format("{}:{}:{}", where.file, where.line, where.column));
  }

  static void write_inputs(JsonWriter& json, const ModelIo& io) {
    json.key("inputs").begin_object();
    for (const ModelInput& input : io.inputs) {
      json.key(input.name);
      if (input.list) json.begin_array();
      for (const GivenValue& value : input.values) {
        if (value.kind != GivenValue::Kind::kNumber) {
          json.value(value.text);
        } else if (value.whole) {
          json.value(static_cast<std::int64_t>(value.number));
        } else {
          json.value(value.number);
        }
      }
      if (input.list) json.end_array();
    }
    json.end_object();
  }

  std::string as_json(const ModelIo& io, std::uint32_t hop) const {
    JsonWriter json;
    json.begin_object();
    write_inputs(json, io);
    write_output(json, "output", io.audio);
    write_output(json, "output_lengths", io.lengths);
    if (io.lengths_in_frames) json.field("hop", hop);
    json.key("places").begin_object();
    write_place(json, "inputs", io.inputs_where);
    for (const ModelInput& input : io.inputs)
      write_place(json, "inputs." + input.name, input.where);
    write_place(json, "output", io.audio.where);
    write_place(json, "output_lengths", io.lengths.where);
    json.end_object();
    if (!given_.symbols.empty()) json.field("symbols", given_.symbols.string());
    if (given_.start) json.field("start", *given_.start);
    if (given_.end) json.field("end", *given_.end);
    if (given_.blank) json.field("blank", *given_.blank);
    if (given_.pad) json.field("pad", *given_.pad);
    json.field("max_batch", given_.max_batch);
    json.field("batch_invariant", given_.batch_invariant);
    json.field("threads", given_.threads);
    if (!given_.providers.empty()) {
      json.key("providers").begin_array();
      for (const std::string& provider : given_.providers) json.value(provider);
      json.end_array();
    }
    json.end_object();
    return std::string(json.text());
  }

  const yaml::Node& voice_;
  const std::filesystem::path& file_;
  Diagnostics& diagnostics_;
  Given given_;
};

}  // namespace

WorkerSettings read_onnx_settings(const yaml::Node& voice, const std::filesystem::path& file,
                                  const ModelIo& io, std::uint32_t hop, Diagnostics& diagnostics) {
  return OnnxReader(voice, file, diagnostics).read(io, hop);
}

}  // namespace flowtts
