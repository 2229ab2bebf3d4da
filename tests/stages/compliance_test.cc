#include <unistd.h>

#include <cstdio>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/registry.h>
#include <flowtts/testing.h>

#include "core/config/params.h"

/// What every stage type of the program keeps to, whoever wrote it.
namespace {

using namespace flowtts;
using flowtts::testing::StageRunner;

/// Catches what is printed on either stream while it lives.
class Printed {
 public:
  explicit Printed(std::string& text) : text_(text), file_(std::tmpfile()) {
    std::fflush(stdout);  // what the tests themselves have printed stays theirs
    for (const int stream : {1, 2}) {
      saved_.push_back(::dup(stream));
      ::dup2(::fileno(file_), stream);
    }
  }
  ~Printed() {
    std::fflush(stdout);
    for (const int stream : {1, 2}) {
      ::dup2(saved_[static_cast<std::size_t>(stream - 1)], stream);
      ::close(saved_[static_cast<std::size_t>(stream - 1)]);
    }
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) {
      text_ += static_cast<char>(c);
    }
    std::fclose(file_);
  }
  Printed(const Printed&) = delete;
  Printed& operator=(const Printed&) = delete;

 private:
  std::string& text_;
  std::FILE* file_;
  std::vector<int> saved_;
};

bool is_snake_case(const std::string& name) {
  const std::string allowed = "abcdefghijklmnopqrstuvwxyz0123456789_";
  return !name.empty() && name.find_first_not_of(allowed) == std::string::npos && name[0] >= 'a' &&
         name[0] <= 'z' && name.back() != '_' && name.find("__") == std::string::npos;
}

bool is_sentence(const std::string& text) {
  return !text.empty() && text.back() == '.' && text.front() != ' ' &&
         text.find("  ") == std::string::npos && !(text[0] >= 'a' && text[0] <= 'z');
}

/// The lines of a stage whose required parameters are as their examples, and `more` beside them.
std::string lines_of(const StageType& type, const std::string& more = {}) {
  std::string lines = "type: " + type.spec.name + "\nwith:";
  for (const ParamInfo& param : type.spec.params) {
    if (param.required) lines += "\n  " + param.name + ": " + param.example;
  }
  if (!more.empty()) lines += "\n  " + more;
  return lines;
}

/// The findings about the lines of a map of parameters.
std::string read(const StageType& type, const std::string& yaml, AnyStage& stage) {
  Diagnostics found;
  const yaml::NodePtr node = yaml::parse(yaml, "with", found);
  if (node) read_params(node.get(), type.spec.params, stage.object(), {"with", 1, 1}, "x", found);
  std::string text;
  for (const Diagnostic& one : found.sorted()) text += one.text() + "\n";
  return text;
}

/// A value as YAML that is not what `field` holds.
std::string another_value(const ParamInfo& param, const ParamField& field) {
  if (!param.choices.empty()) {
    const std::string now = field_text(field);
    for (const std::string& choice : param.choices) {
      if (choice != now && "[" + choice + "]" != now) return "\"" + choice + "\"";
    }
    return "\"" + param.choices[0] + "\"";
  }
  const double low = param.minimum.value_or(0);
  const double high = param.maximum.value_or(low + 1000);
  return std::visit(
      [&](const auto* value) -> std::string {
        using T = std::remove_cvref_t<decltype(*value)>;
        if constexpr (std::is_same_v<T, bool>) return *value ? "false" : "true";
        if constexpr (std::is_same_v<T, std::optional<bool>>) return "true";
        if constexpr (std::is_same_v<T, double>) {
          return std::to_string(*value == low ? high : low);
        } else if constexpr (std::is_integral_v<T>) {
          return std::to_string(
              static_cast<std::int64_t>(static_cast<double>(*value) == low ? high : low));
        } else if constexpr (std::is_same_v<T, ByteSize>) {
          return std::to_string(
              static_cast<std::int64_t>(static_cast<double>(value->bytes) == low ? high : low));
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          return "[\"other\", \"one\"]";
        } else if constexpr (std::is_same_v<T, std::optional<double>> ||
                             std::is_same_v<T, std::optional<std::int64_t>> ||
                             std::is_same_v<T, std::optional<std::uint64_t>>) {
          return std::to_string(static_cast<std::int64_t>(low + 1));
        } else {
          return "\"another value\"";
        }
      },
      field);
}

void check_ports(const StageType& type) {
  const bool source = type.kind == StageKind::kSource;
  const bool sink = type.kind == StageKind::kSink;
  const bool record_filter = type.kind == StageKind::kRecordFilter;
  CHECK((type.in == nullptr) == (source || record_filter));
  CHECK((type.out == nullptr) == (sink || record_filter));
  if (type.kind == StageKind::kFilter) CHECK(type.in == type.out);
  if (type.spec.may_end) CHECK_FALSE((source || sink || record_filter));
  if (type.spec.runtime != "host") CHECK(type.kind == StageKind::kDevice);
}

void check_param(const StageType& type, const ParamInfo& param) {
  CAPTURE(param.name);
  CHECK(is_snake_case(param.name));
  CHECK(is_sentence(param.doc));
  const auto stage = type.make();
  if (param.required) CHECK_FALSE(param.example.empty());
  if (!param.example.empty()) {
    CHECK(read(type, param.name + ": " + param.example, *stage).find("'" + param.name + "'") ==
          std::string::npos);
  }
  if (param.minimum && param.maximum) CHECK(*param.minimum <= *param.maximum);
  const std::set<std::string> choices(param.choices.begin(), param.choices.end());
  CHECK(choices.size() == param.choices.size());
  if (param.required) return;
  // The default, written as YAML, is one of the allowed values. A default that is nothing (an empty
  // text, list or path, an optional without a value) is not written.
  const auto fresh = type.make();
  const std::string text = field_text(param.field(fresh->object()));
  if (text.empty() || text == "[]") return;
  const bool list = std::holds_alternative<std::vector<std::string>*>(param.field(fresh->object()));
  const bool textual = std::holds_alternative<std::string*>(param.field(fresh->object())) ||
                       std::holds_alternative<std::filesystem::path*>(param.field(fresh->object()));
  const std::string value = list ? text : textual ? "'" + text + "'" : text;
  CHECK(read(type, param.name + ": " + value, *stage).find("'" + param.name + "'") ==
        std::string::npos);
}

/// Whatever is set in a stage is also in its copy, and no parameter shares its place with another.
void check_clone(const StageType& type) {
  const auto stage = type.make();
  std::string yaml;
  for (const ParamInfo& param : type.spec.params) {
    yaml += param.name + ": " + another_value(param, param.field(stage->object())) + "\n";
  }
  if (yaml.empty()) return;
  const auto untouched = type.make();
  CAPTURE(yaml);
  CHECK(read(type, yaml, *stage).empty());
  const auto copy = stage->clone();
  for (const ParamInfo& param : type.spec.params) {
    CAPTURE(param.name);
    const std::string set = field_text(param.field(stage->object()));
    CHECK(field_text(param.field(copy->object())) == set);
    if (param.choices.size() != 1) CHECK(set != field_text(param.field(untouched->object())));
  }
}

}  // namespace

TEST_CASE("every stage type says what it is, and its parameters are what they say") {
  REQUIRE(StageRegistry::global().all().size() > 5);
  for (const StageType* type : StageRegistry::global().all()) {
    CAPTURE(type->spec.name);
    CHECK(is_snake_case(type->spec.name));
    CHECK(is_sentence(type->spec.summary));
    check_ports(*type);
    std::set<std::string> names;
    for (const ParamInfo& param : type->spec.params) {
      CHECK(names.insert(param.name).second);
      check_param(*type, param);
    }
    check_clone(*type);
  }
}

TEST_CASE("every stage type can be made from the examples of its parameters, and prints nothing") {
  for (const StageType* type : StageRegistry::global().all()) {
    CAPTURE(type->spec.name);
    std::vector<Diagnostic> found;
    std::string printed;
    {
      const Printed caught(printed);
      found = StageRunner(lines_of(*type)).diagnostics();
    }
    CHECK(printed.empty());
    // The stage's own check may find that a file of an example is not there; nothing else is wrong.
    for (const Diagnostic& one : found) {
      CAPTURE(one.text());
      CHECK((one.code == "bad-parameter" || one.severity == Severity::kWarning));
    }
  }
}

TEST_CASE("no stage type takes a parameter that it does not have, and each names the nearest") {
  for (const StageType* type : StageRegistry::global().all()) {
    CAPTURE(type->spec.name);
    for (const ParamInfo& param : type->spec.params) {
      const std::string problems = StageRunner(lines_of(*type, param.name + "_x: 1")).problems();
      CHECK(problems.find("[unknown-key]") != std::string::npos);
      const bool hinted = problems.find("did you mean '" + param.name + "'?") != std::string::npos;
      if (param.name.size() >= 4) CHECK(hinted);
    }
    CHECK(StageRunner(lines_of(*type, "quite_unknown_thing: 1")).problems().find("[unknown-key]") !=
          std::string::npos);
  }
}
