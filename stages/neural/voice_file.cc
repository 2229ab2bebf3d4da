#include <array>
#include <system_error>

#include <fmt/format.h>

#include <flowtts/diagnostics.h>
#include <flowtts/spec.h>

#include "core/config/params.h"
#include "core/config/yaml_tree.h"
#include "stages/io/content_hash.h"
#include "stages/neural/voice.h"
#include "stages/neural/voice_file_params.h"
#include "stages/neural/voice_pins.h"
#include "stages/neural/worker/onnx_settings.h"
#include "stages/neural/worker/settings.h"
#include "stages/text/character_front_end.h"
#include "stages/text/front_end.h"

namespace flowtts {
namespace {

constexpr int kFormatVersion = 1;
constexpr std::string_view kCompilable = "torchscript";

/// Reads one voice file; everything that is wrong with it ends in `diagnostics`.
class VoiceReader {
 public:
  /// \param verify_pins whether to read the pinned files.
  VoiceReader(const std::filesystem::path& file, bool verify_pins, Diagnostics& diagnostics)
      : path_(file),
        file_{file.string(), 0, 0},
        verify_pins_(verify_pins),
        diagnostics_(diagnostics) {}

  VoiceConfig read() {
    const yaml::NodePtr root = yaml::read(path_, diagnostics_);
    if (!root) return {};
    if (!root->is_map()) {
      diagnostics_.error(root->where, "wrong-type",
                         fmt::format("found {}, expected a map: a voice file begins with "
                                     "'flowtts_voice: 1'",
                                     root->describe()));
      return {};
    }
    root_ = root.get();
    read_top_level();
    read_blocks();
    read_gate();
    if (!diagnostics_.has_errors()) check_whole();
    check_pins(*root_, path_, verify_pins_, diagnostics_);
    return make_config();
  }

 private:
  struct Range {
    double low = 0;
    double high = 0;
  };

  void read_top_level() {
    std::vector<std::string> others{"front_end", "limits", "parts",   "inputs",
                                    "outputs",   "gate",   "compile", "sha256"};
    for (const std::string_view key : worker_keys()) others.emplace_back(key);
    read_params(root_, top_level_params(), &voice_, file_, "voice", diagnostics_, others);
    if (const yaml::Entry* entry = root_->find("flowtts_voice");
        entry && voice_.version != 0 && voice_.version != kFormatVersion) {
      error(entry, "unknown-version",
            fmt::format("voice: 'flowtts_voice': this is version {}; this FlowTTS reads version {}",
                        voice_.version, kFormatVersion));
    }
    format_ = find_voice_format(voice_.format);
    check_has_model();
    check_names("speakers", voice_.speakers);
    check_names("languages", voice_.languages);
  }

  /// Whether there is a model to be named depends on the format.
  void check_has_model() {
    const yaml::Entry* model = root_->find("model");
    const ModelFile wanted = format_ ? format_->model : ModelFile::kRequired;
    if (wanted == ModelFile::kNone && model) {
      error(model, "misplaced-key",
            fmt::format("voice: 'model': a voice of the format '{}' has none", voice_.format));
    } else if (wanted == ModelFile::kRequired && !model) {
      diagnostics_.error(file_, "missing-key",
                         "voice: 'model' is required: the model file, relative to the voice file");
    }
  }

  void read_front_end() {
    const yaml::Entry* front_end = root_->find("front_end");
    const yaml::Node* map = front_end ? front_end->value.get() : nullptr;
    const yaml::Entry* type = map && map->is_map() ? map->find("type") : nullptr;
    const bool characters = type && type->value->text == kCharacterFrontEnd;
    read_params(map, front_end_params(characters), &voice_, front_end ? front_end->where : file_,
                "voice 'front_end'", diagnostics_);
  }

  void read_blocks() {
    read_front_end();
    const WorkerKeys workers = format_ ? format_->workers : WorkerKeys::kNone;
    if (const yaml::Entry* limits = root_->find("limits")) {
      read_params(limits->value.get(), limits_params(workers != WorkerKeys::kNone), &voice_,
                  limits->where, "voice 'limits'", diagnostics_);
    }
    read_io();
    if (workers == WorkerKeys::kCommand) {
      voice_.worker = read_worker_settings(*root_, path_, diagnostics_);
    } else if (workers == WorkerKeys::kOnnx) {
      voice_.worker = read_onnx_settings(*root_, path_, voice_.io, voice_.hop, diagnostics_);
    } else if (format_) {
      refuse_worker_keys(*root_, voice_.format, diagnostics_);
    }
    if (const yaml::Entry* parts = root_->find("parts")) read_parts(*parts);
    if (const yaml::Entry* compile = root_->find("compile")) {
      read_params(compile->value.get(), compile_params(), &voice_, compile->where,
                  "voice 'compile'", diagnostics_);
    }
  }

  /// Whether a model's inputs and outputs have to be named depends on the format.
  void read_io() {
    for (const std::string_view key : {"inputs", "outputs"}) {
      const yaml::Entry* entry = root_->find(key);
      if (!format_) continue;
      if (format_->io == NamedIo::kNone && entry) {
        misplaced(*entry, format_->workers == WorkerKeys::kCommand
                              ? "the worker's own code calls its model; 'format: onnx' speaks an "
                                "ONNX model without a command"
                              : "it has no model");
      } else if (format_->io == NamedIo::kRequired && !entry) {
        diagnostics_.error(
            file_, "missing-key",
            fmt::format("voice: '{}' is required where the format is '{}': {}", key, voice_.format,
                        key == "inputs" ? "what each of the model's inputs is given, as {x: "
                                          "tokens, x_lengths: lengths}"
                                        : "which of the model's outputs is the sound, as {audio: "
                                          "output}"));
      }
    }
    if (format_ && format_->io != NamedIo::kNone) voice_.io = read_model_io(*root_, diagnostics_);
  }

  void read_parts(const yaml::Entry& parts) {
    if (format_ && !format_->parts) {
      misplaced(parts, "its model is in one part");
      return;
    }
    read_params(parts.value.get(), parts_params(), &voice_, parts.where, "voice 'parts'",
                diagnostics_);
    if (const yaml::Entry* outputs = root_->find("outputs")) {
      diagnostics_.error(outputs->where, "misplaced-key",
                         "voice: 'outputs': what the two parts of a model return is fixed (see "
                         "docs/voices.md); only the inputs of the part that plans can be named");
    }
  }

  void misplaced(const yaml::Entry& entry, std::string_view why) {
    diagnostics_.error(entry.where, "misplaced-key",
                       fmt::format("voice: '{}': a voice of the format '{}' has none: {}",
                                   entry.key, voice_.format, why));
  }

  void read_gate() {
    static const std::vector<std::string> kKeys{"seconds_per_character", "seconds_per_word"};
    const yaml::Entry* gate = root_->find("gate");
    if (!gate || gate->value->is_null()) return;
    read_params(gate->value.get(), {}, nullptr, gate->where, "voice 'gate'", diagnostics_, kKeys);
    read_range(gate->value->find(kKeys[0]), "[0.035, 1.2]", seconds_per_character_);
    read_range(gate->value->find(kKeys[1]), "[0.1, 6]", seconds_per_word_);
  }

  /// Leaves the range as it is where the entry is not there.
  void read_range(const yaml::Entry* range, std::string_view example, Range& into) {
    if (!range) return;
    const std::vector<yaml::NodePtr>& bounds = range->value->items;
    const auto low = bounds.size() == 2 ? yaml::as_number(*bounds[0]) : std::nullopt;
    const auto high = bounds.size() == 2 ? yaml::as_number(*bounds[1]) : std::nullopt;
    if (!low || !high || *low < 0 || *low >= *high) {
      error(range, "wrong-type",
            fmt::format("voice 'gate': '{}' is a list of two numbers, the shorter first: {}",
                        range->key, example));
      return;
    }
    into = {*low, *high};
  }

  /// Names that each occur once and are not empty.
  void check_names(std::string_view key, const std::vector<std::string>& names) {
    const yaml::Entry* entry = root_->find(key);
    if (!entry) return;
    const auto& nodes = entry->value->items;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const SourcePosition& where = i < nodes.size() ? nodes[i]->where : entry->value->where;
      if (names[i].empty() || names[i] == "random") {
        diagnostics_.error(where, "bad-name",
                           fmt::format("voice: '{}': '{}' cannot be a name", key, names[i]));
      }
      for (std::size_t k = 0; k < i; ++k) {
        if (names[k] != names[i]) continue;
        diagnostics_.error(where, "duplicate-name",
                           fmt::format("voice: '{}': '{}' is there twice", key, names[i]));
      }
    }
  }

  /// What is only worth saying of a file that is right in itself.
  void check_whole() {
    if (voice_.speakers.empty()) {
      error(root_->find("speakers"), "missing-value", "voice: 'speakers': at least one is needed");
    }
    if (root_->find("parts") && voice_.hop == 0) {
      error(root_->find("parts"), "missing-key",
            "voice: 'hop' is required where the model has 'parts': samples a frame");
    }
    if (voice_.io.lengths_in_frames && voice_.hop == 0) {
      error(root_->find("outputs")->value->find("lengths_in"), "missing-key",
            "voice: 'hop' is required where lengths are in frames: samples a frame");
    }
    const yaml::Entry* compile = root_->find("compile");
    if (compile && voice_.format != kCompilable) {
      misplaced(*compile, "FlowTTS compiles TorchScript's render part alone");
      return;
    }
    if (compile && voice_.render.empty()) {
      error(compile, "missing-key",
            "voice: 'parts' is required where the voice has 'compile': only the render part is "
            "compiled");
    }
    check_model();
    if (!voice_.table.empty()) {
      check_file(root_->find("front_end")->value->find("table"), "voice 'front_end': 'table'",
                 voice_.table);
    }
    if (!voice_.exporter.empty()) {
      check_file(compile->value->find("exporter"), "voice 'compile': 'exporter'", voice_.exporter);
    }
  }

  void check_model() {
    if (voice_.model.empty()) return;
    const yaml::Entry* entry = root_->find("model");
    if (!format_ || format_->model != ModelFile::kOptional) {
      check_file(entry, "voice: 'model'", voice_.model);
      return;
    }
    std::error_code status;
    const std::filesystem::path model = beside_voice(voice_.model);
    if (std::filesystem::exists(model, status)) return;
    error(entry, "missing-file",
          fmt::format("voice: 'model': there is no file or folder {}", model.string()));
  }

  void check_file(const yaml::Entry* entry, std::string_view what,
                  const std::filesystem::path& name) {
    std::error_code status;
    const std::filesystem::path file = beside_voice(name);
    if (std::filesystem::is_regular_file(file, status)) return;
    error(entry, "missing-file", fmt::format("{}: there is no file {}", what, file.string()));
  }

  void error(const yaml::Entry* entry, std::string code, std::string message) {
    diagnostics_.error(entry->value->where, std::move(code), std::move(message));
  }

  std::filesystem::path beside_voice(const std::filesystem::path& name) const {
    return (path_.parent_path() / name).lexically_normal();
  }

  VoiceConfig make_config() const {
    VoiceConfig config;
    config.name = voice_.name;
    config.format = voice_.format;
    if (!voice_.model.empty()) config.model = beside_voice(voice_.model);
    config.sample_rate = voice_.sample_rate;
    config.hop = voice_.hop;
    config.languages = voice_.languages;
    config.front_end = voice_.front_end;
    config.front_end_options.languages = voice_.languages;
    if (!voice_.table.empty()) config.front_end_options.table = beside_voice(voice_.table);
    config.front_end_options.add_blank = voice_.add_blank;
    config.front_end_options.lower = voice_.lower;
    config.speakers = voice_.speakers;
    config.max_tokens = voice_.max_tokens;
    config.max_words = voice_.max_words;
    config.io = voice_.io;
    config.plan_method = voice_.plan;
    config.render_method = voice_.render;
    if (!voice_.exporter.empty()) config.exporter = beside_voice(voice_.exporter);
    config.worker = voice_.worker;
    config.worker.max_batch = voice_.max_batch;
    config.min_seconds_per_character = seconds_per_character_.low;
    config.max_seconds_per_character = seconds_per_character_.high;
    config.min_seconds_per_word = seconds_per_word_.low;
    config.max_seconds_per_word = seconds_per_word_.high;
    return config;
  }

  const std::filesystem::path& path_;
  const SourcePosition file_;
  const bool verify_pins_;
  Diagnostics& diagnostics_;
  const yaml::Node* root_ = nullptr;
  const VoiceFormat* format_ = nullptr;  ///< Null where it is unknown.
  VoiceFile voice_;
  Range seconds_per_character_;
  Range seconds_per_word_;
};

}  // namespace

Error bad_voice(const Diagnostics& diagnostics) {
  std::string lines;
  for (const Diagnostic& diagnostic : diagnostics.sorted()) {
    if (!lines.empty()) lines += '\n';
    lines += diagnostic.text();
  }
  return {"bad_voice", std::move(lines), false, true};
}

Result<VoiceConfig> read_voice(const std::filesystem::path& file, bool hash) {
  Diagnostics diagnostics;
  VoiceConfig config = VoiceReader(file, hash, diagnostics).read();
  config.file = file;
  if (diagnostics.has_errors()) return bad_voice(diagnostics);
  if (!hash) return config;
  ContentHash content;
  if (std::optional<Error> error = content.add_file(file)) return *std::move(error);
  std::error_code ignored;
  if (std::filesystem::is_regular_file(config.model, ignored)) {
    ContentHash model;
    if (std::optional<Error> error = content.add_file(config.model, &model)) {
      return *std::move(error);
    }
    config.model_hash = model.hex();
  }
  std::vector<std::filesystem::path> parts;
  if (!config.front_end_options.table.empty()) parts.push_back(config.front_end_options.table);
  parts.insert(parts.end(), config.worker.files.begin(), config.worker.files.end());
  for (const std::filesystem::path& part : parts) {
    if (std::optional<Error> error = content.add_file(part)) return *std::move(error);
  }
  config.hash = content.hex();
  return config;
}

}  // namespace flowtts
