#include <array>
#include <system_error>

#include <fmt/format.h>

#include <flowtts/diagnostics.h>
#include <flowtts/spec.h>

#include "core/config/params.h"
#include "core/config/yaml_tree.h"
#include "stages/io/content_hash.h"
#include "stages/neural/voice.h"
#include "stages/neural/voice_pins.h"
#include "stages/neural/worker/settings.h"
#include "stages/text/character_front_end.h"
#include "stages/text/front_end.h"

namespace flowtts {
namespace {

constexpr int kFormatVersion = 1;

/// What a voice file holds, in the shape in which YAML has it.
struct VoiceFile {
  int version = 0;
  std::string name;
  std::string format;
  std::filesystem::path model;
  std::uint32_t sample_rate = 0;
  std::uint32_t hop = 0;
  std::vector<std::string> languages;
  std::vector<std::string> speakers;
  std::string precision = "float32";

  std::string front_end;
  std::filesystem::path table;
  bool add_blank = false;
  bool lower = false;
  std::uint64_t max_tokens = 0;
  std::uint64_t max_words = 0;
  std::uint64_t max_batch = 0;
  std::string plan;
  std::string render;
  std::filesystem::path exporter;
  WorkerSettings worker;
};

std::vector<ParamInfo> top_level_params() {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("flowtts_voice", &VoiceFile::version, "the version of the format, 1")
      .required()
      .param("name", &VoiceFile::name, "what the voice is called")
      .required()
      .param("format", &VoiceFile::format, "how the model is stored")
      .required()
      .one_of(voice_formats())
      .param("model", &VoiceFile::model, "the model file, relative to the voice file")
      .param("sample_rate", &VoiceFile::sample_rate, "of the model's audio")
      .required()
      .range(1'000, 384'000)
      .unit("hertz")
      .param("hop", &VoiceFile::hop, "samples a frame")
      .range(1, 100'000)
      .unit("samples")
      .param("languages", &VoiceFile::languages, "what it speaks: en, de, ...")
      .param("speakers", &VoiceFile::speakers, "names; the place is the model's speaker id")
      .required()
      .param("precision", &VoiceFile::precision, "what the model computes in")
      .one_of({"float32"});
  return std::move(params.params);
}

std::vector<ParamInfo> front_end_params(bool characters) {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("type", &VoiceFile::front_end, "what turns text into tokens")
      .required()
      .one_of(front_end_types());
  if (characters) {
    Spec<VoiceFile>(params)
        .param("table", &VoiceFile::table,
               "the JSON file with each character's token, relative to the voice file")
        .required()
        .param("add_blank", &VoiceFile::add_blank, "whether the token 0 is around each character")
        .param("lower", &VoiceFile::lower, "whether capitals are read as small letters");
  }
  return std::move(params.params);
}

std::vector<ParamInfo> limits_params(bool worker) {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("max_tokens", &VoiceFile::max_tokens,
             "the longest sentence that the model was made for")
      .at_least(1)
      .unit("tokens")
      .param("max_words", &VoiceFile::max_words, "the same, as white space parts words")
      .at_least(1)
      .unit("words");
  if (worker) {
    Spec<VoiceFile>(params)
        .param("max_batch", &VoiceFile::max_batch, "the most sentences that it is given at once")
        .at_least(1)
        .unit("sentences");
  }
  return std::move(params.params);
}

std::vector<ParamInfo> parts_params() {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("plan", &VoiceFile::plan, "the method that plans durations")
      .required()
      .param("render", &VoiceFile::render, "the method that makes the audio")
      .required();
  return std::move(params.params);
}

std::vector<ParamInfo> compile_params() {
  StageSpec params;
  Spec<VoiceFile>(params)
      .param("exporter", &VoiceFile::exporter,
             "the Python file that exports the render part, relative to the voice file")
      .required();
  return std::move(params.params);
}

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
    std::vector<std::string> others{"front_end", "limits", "parts", "gate", "compile", "sha256"};
    for (const std::string_view key : worker_keys()) others.emplace_back(key);
    read_params(root_, top_level_params(), &voice_, file_, "voice", diagnostics_, others);
    if (const yaml::Entry* entry = root_->find("flowtts_voice");
        entry && voice_.version != 0 && voice_.version != kFormatVersion) {
      error(entry, "unknown-version",
            fmt::format("voice: 'flowtts_voice': this is version {}; this FlowTTS reads version {}",
                        voice_.version, kFormatVersion));
    }
    check_has_model();
    check_names("speakers", voice_.speakers);
    check_names("languages", voice_.languages);
  }

  /// Whether there is a model to be named depends on the format.
  void check_has_model() {
    const VoiceFormat* format = find_voice_format(voice_.format);
    const yaml::Entry* model = root_->find("model");
    const ModelFile wanted = format ? format->model : ModelFile::kRequired;
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
    if (const yaml::Entry* limits = root_->find("limits")) {
      read_params(limits->value.get(), limits_params(voice_.format == "worker"), &voice_,
                  limits->where, "voice 'limits'", diagnostics_);
    }
    if (voice_.format == "worker") {
      voice_.worker = read_worker_settings(*root_, path_, diagnostics_);
    } else {
      refuse_worker_keys(*root_, voice_.format, diagnostics_);
    }
    if (const yaml::Entry* parts = root_->find("parts")) {
      read_params(parts->value.get(), parts_params(), &voice_, parts->where, "voice 'parts'",
                  diagnostics_);
    }
    if (const yaml::Entry* compile = root_->find("compile")) {
      read_params(compile->value.get(), compile_params(), &voice_, compile->where,
                  "voice 'compile'", diagnostics_);
    }
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
    const yaml::Entry* compile = root_->find("compile");
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
    const VoiceFormat* format = find_voice_format(voice_.format);
    if (!format || format->model != ModelFile::kOptional) {
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
  VoiceFile voice_;
  Range seconds_per_character_;
  Range seconds_per_word_;
};

/// All findings as one text, a line each.
std::string join_lines(const Diagnostics& diagnostics) {
  std::string lines;
  for (const Diagnostic& diagnostic : diagnostics.sorted()) {
    if (!lines.empty()) lines += '\n';
    lines += diagnostic.text();
  }
  return lines;
}

}  // namespace

Result<VoiceConfig> read_voice(const std::filesystem::path& file, bool hash) {
  Diagnostics diagnostics;
  VoiceConfig config = VoiceReader(file, hash, diagnostics).read();
  config.file = file;
  if (diagnostics.has_errors()) return Error{"bad_voice", join_lines(diagnostics), false, true};
  if (!hash) return config;
  ContentHash content;
  std::vector<std::filesystem::path> parts{file};
  std::error_code ignored;
  if (std::filesystem::is_regular_file(config.model, ignored)) parts.push_back(config.model);
  if (!config.front_end_options.table.empty()) parts.push_back(config.front_end_options.table);
  parts.insert(parts.end(), config.worker.files.begin(), config.worker.files.end());
  for (const std::filesystem::path& part : parts) {
    if (std::optional<Error> error = content.add_file(part)) return *std::move(error);
  }
  config.hash = content.hex();
  return config;
}

}  // namespace flowtts
