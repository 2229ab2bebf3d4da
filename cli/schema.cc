#include "cli/schema.h"

#include <cmath>
#include <type_traits>

#include <flowtts/json.h>
#include <flowtts/pipeline.h>
#include <fmt/format.h>

#include "cli/stage_docs.h"
#include "core/config/params.h"

namespace flowtts::cli {
namespace {

void write_number(JsonWriter& json, double number) {
  if (std::trunc(number) == number && std::abs(number) < 9e15) {
    json.value(static_cast<std::int64_t>(number));
  } else {
    json.value(number);
  }
}

/// `${voice}`, wherever a value may stand.
void write_variable(JsonWriter& json) {
  json.begin_object().field("$ref", "#/definitions/variable").end_object();
}

/// The type of one parameter's value, from the C++ type of its field.
class ValueSchema {
 public:
  ValueSchema(JsonWriter& json, const ParamInfo& param) : json_(json), param_(param) {}

  void write(const ParamField& field) {
    std::visit([this](const auto* target) { write_type(*target); }, field);
  }

  void write_default(const ParamField& field) {
    std::visit([this](const auto* target) { write_default_of(*target); }, field);
  }

 private:
  template <class T>
  void write_type(const std::optional<T>&) {
    write_type(T{});
  }
  template <class T>
  void write_type(const T&) {
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      write_texts();
    } else if constexpr (std::is_same_v<T, ByteSize>) {
      write_size();
    } else if constexpr (std::is_same_v<T, bool>) {
      write_or_variable([this] { json_.field("type", "boolean"); });
    } else if constexpr (std::is_arithmetic_v<T>) {
      write_or_variable([this] { write_range<T>(); });
    } else {
      write_text();
    }
  }

  template <class Write>
  void write_or_variable(const Write& write) {
    json_.key("anyOf").begin_array().begin_object();
    write();
    json_.end_object();
    write_variable(json_);
    json_.end_array();
  }

  template <class T>
  void write_range() {
    json_.field("type", std::is_integral_v<T> ? "integer" : "number");
    if (param_.minimum || std::is_unsigned_v<T>) {
      json_.key("minimum");
      write_number(json_, param_.minimum.value_or(0));
    }
    if (param_.maximum) {
      json_.key("maximum");
      write_number(json_, *param_.maximum);
    }
  }

  void write_text() {
    if (param_.choices.empty()) {
      json_.key("type").begin_array().value("string").value("number").value("boolean").end_array();
    } else {
      write_or_variable([this] { write_choices(); });
    }
  }

  void write_choices() {
    json_.key("enum").begin_array();
    for (const std::string& choice : param_.choices) json_.value(choice);
    json_.end_array();
  }

  void write_texts() {
    json_.key("anyOf").begin_array();
    json_.begin_object();
    write_text();
    json_.end_object();
    json_.begin_object().field("type", "array").key("items").begin_object();
    write_text();
    json_.end_object().end_object().end_array();
  }

  void write_size() {
    json_.key("anyOf").begin_array();
    json_.begin_object().field("type", "integer").field("minimum", 0).end_object();
    json_.begin_object().field("type", "string");
    json_.field("pattern", R"(^[0-9.]+ ?([kKMGT]i?)?B?$|\$\{)").end_object();
    json_.end_array();
  }

  template <class T>
  void write_default_of(const std::optional<T>& value) {
    if (value) write_default_of(*value);
  }
  template <class T>
  void write_default_of(const T& value) {
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      json_.key("default").begin_array();
      for (const std::string& text : value) json_.value(text);
      json_.end_array();
    } else if constexpr (std::is_same_v<T, ByteSize>) {
      json_.field("default", byte_size_text(value.bytes));
    } else if constexpr (std::is_same_v<T, double>) {
      json_.key("default");
      write_number(json_, value);
    } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
      if (!value.empty()) json_.field("default", value.string());
    } else {
      json_.field("default", value);
    }
  }

  JsonWriter& json_;
  const ParamInfo& param_;
};

std::string described(const ParamInfo& param) {
  return param.unit.empty() ? param.doc : fmt::format("{} ({})", param.doc, param.unit);
}

void write_param(JsonWriter& json, const ParamInfo& param, void* object) {
  const ParamField field = param.field(object);
  ValueSchema schema(json, param);
  json.key(param.name).begin_object().field("description", described(param));
  schema.write(field);
  if (!param.required) schema.write_default(field);
  if (!param.example.empty()) {
    json.key("examples").begin_array().value(param.example).end_array();
  }
  json.end_object();
}

/// The inside of a map's schema. `more` writes further properties.
template <class More>
void write_params(JsonWriter& json, std::span<const ParamInfo> params, void* object,
                  const More& more) {
  json.field("type", "object").field("additionalProperties", false);
  bool required = false;
  for (const ParamInfo& param : params) required = required || param.required;
  if (required) {
    json.key("required").begin_array();
    for (const ParamInfo& param : params) {
      if (param.required) json.value(param.name);
    }
    json.end_array();
  }
  json.key("properties").begin_object();
  for (const ParamInfo& param : params) write_param(json, param, object);
  more();
  json.end_object();
}

void write_params(JsonWriter& json, std::span<const ParamInfo> params, void* object) {
  write_params(json, params, object, [] {});
}

void write_run(JsonWriter& json) {
  RunSettings settings;
  json.key("run").begin_object().field("description", "The settings of a run as a whole.");
  write_params(json, run_params(), &settings, [&] {
    json.key("on_error").begin_object().field("description", "What happens when items fail.");
    write_params(json, on_error_params(), &settings);
    json.end_object();
  });
  json.end_object();
}

/// `concurrency` and `lanes`: a number or "auto".
void write_threads(JsonWriter& json, int most) {
  json.key("anyOf").begin_array();
  json.begin_object().field("type", "integer").field("minimum", 1).field("maximum", most);
  json.end_object();
  json.begin_object().field("const", "auto").end_object();
  write_variable(json);
  json.end_array();
}

void write_texts(JsonWriter& json) {
  json.key("anyOf").begin_array();
  json.begin_object().field("type", "string").end_object();
  json.begin_object().field("type", "array").key("items");
  json.begin_object().field("type", "string").end_object();
  json.end_object().end_array();
}

void write_stage_key(JsonWriter& json, const ParamDoc& key, const StageRegistry& registry) {
  json.key(key.name).begin_object().field("description", key.doc);
  if (key.name == "id") {
    json.field("type", "string").field("pattern", "^[a-z][a-z0-9_]*$");
  } else if (key.name == "type") {
    json.key("enum").begin_array();
    for (const StageType* type : registry.all()) json.value(type->spec.name);
    json.end_array();
  } else if (key.name == "concurrency" || key.name == "lanes") {
    write_threads(json, key.name == "lanes" ? 64 : 1024);
  } else if (key.name == "batch") {
    BatchSettings batch;
    write_params(json, batch_params(), &batch);
  } else if (key.name == "recycle") {
    RecycleSettings recycle;
    write_params(json, recycle_params(), &recycle);
  } else if (key.name == "with") {
    json.field("type", "object");
  } else {
    write_texts(json);
  }
  json.end_object();
}

/// What follows from a stage's type: its parameters, and which keys it cannot have.
void write_stage_type(JsonWriter& json, const StageType& type) {
  json.begin_object().key("if").begin_object();
  json.key("required").begin_array().value("type").end_array();
  json.key("properties").begin_object();
  json.key("type").begin_object().field("const", type.spec.name).end_object();
  json.end_object().end_object();
  json.key("then").begin_object().field("description", type.spec.summary);
  bool required = false;
  for (const ParamInfo& param : type.spec.params) required = required || param.required;
  if (required) json.key("required").begin_array().value("with").end_array();
  json.key("properties").begin_object();
  const std::unique_ptr<AnyStage> stage = type.make();
  json.key("with").begin_object();
  write_params(json, type.spec.params, stage->object());
  json.end_object();
  if (type.kind == StageKind::kDevice) {
    json.field("concurrency", false);
  } else {
    if (!type.has_lane_form) json.field("devices", false);
    for (const char* key : {"lanes", "batch", "recycle"}) json.field(key, false);
  }
  json.end_object().end_object().end_object();
}

void write_stage(JsonWriter& json, const StageRegistry& registry) {
  json.key("stage").begin_object().field("type", "object").field("additionalProperties", false);
  json.key("required").begin_array().value("type").end_array();
  json.key("properties").begin_object();
  for (const SettingsDoc& settings : settings_docs()) {
    if (settings.topic != "stage") continue;
    for (const ParamDoc& key : settings.params) write_stage_key(json, key, registry);
  }
  json.end_object();
  json.key("allOf").begin_array();
  for (const StageType* type : registry.all()) write_stage_type(json, *type);
  json.end_array().end_object();
}

void write_root(JsonWriter& json) {
  json.key("flowtts").begin_object().field("const", 1);
  json.field("description", "The version of the file's format.").end_object();
  for (const char* text : {"name", "description"}) {
    json.key(text).begin_object().field("type", "string").end_object();
  }
  json.key("vars").begin_object().field("type", "object");
  json.field("description", "Values that other places refer to as ${name}.").end_object();
  write_run(json);
  json.key("stages").begin_object().field("type", "array").field("minItems", 1);
  json.field("description", "The stages, the source first; each follows the one above it.");
  json.key("items").begin_object().field("$ref", "#/definitions/stage").end_object();
  json.end_object();
}

}  // namespace

std::string pipeline_schema(const StageRegistry& registry) {
  JsonWriter json;
  json.begin_object()
      .field("$schema", "http://json-schema.org/draft-07/schema#")
      .field("title", "FlowTTS pipeline")
      .field("description", "Made by scripts/generate from the stages' own declarations.")
      .field("type", "object")
      .field("additionalProperties", false);
  json.key("required").begin_array().value("flowtts").value("stages").end_array();
  json.key("properties").begin_object();
  write_root(json);
  json.end_object();
  json.key("definitions").begin_object();
  json.key("variable").begin_object().field("type", "string").field("pattern", R"(\$\{)");
  json.end_object();
  write_stage(json, registry);
  json.end_object().end_object();
  return indented_json(json.text());
}

std::string indented_json(std::string_view json) {
  std::string text;
  std::size_t depth = 0;
  bool in_string = false;
  const auto new_line = [&] { text += '\n' + std::string(2 * depth, ' '); };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string || c == '"') {
      text += c;
      if (c == '"') in_string = !in_string;
      if (c == '\\') text += json[++i];
      continue;
    }
    const bool opens = c == '{' || c == '[';
    const bool closes = c == '}' || c == ']';
    const bool empty = closes && text.ends_with(c == '}' ? '{' : '[');
    if (closes) --depth;
    if (closes && !empty) new_line();
    text += c;
    if (opens) ++depth;
    const char next = i + 1 < json.size() ? json[i + 1] : '\0';
    if ((opens && next != '}' && next != ']') || c == ',') new_line();
    if (c == ':') text += ' ';
  }
  return text + "\n";
}

}  // namespace flowtts::cli
