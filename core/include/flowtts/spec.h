#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace flowtts {

/// A number of bytes, written `4GiB`, `500MB` or `1048576` in YAML.
struct ByteSize {
  std::uint64_t bytes = 0;
  auto operator<=>(const ByteSize&) const = default;
};

/// Where a parameter's value is kept: a pointer to one of the types that YAML can give.
using ParamField =
    std::variant<bool*, int*, std::int64_t*, std::uint32_t*, std::uint64_t*, double*, std::string*,
                 std::filesystem::path*, std::vector<std::string>*, ByteSize*, std::optional<bool>*,
                 std::optional<std::int64_t>*, std::optional<std::uint64_t>*,
                 std::optional<double>*, std::optional<std::string>*>;

/// One parameter of a stage as its author declared it. The parser, the defaults, the range checks,
/// `flowtts describe`, docs/stages.md and the JSON schema all read this and nothing else.
struct ParamInfo {
  std::string name;
  std::string doc;
  std::function<ParamField(void* stage)> field;
  bool required = false;
  std::optional<double> minimum;  ///< Inclusive.
  std::optional<double> maximum;  ///< Inclusive.
  std::vector<std::string> choices;
  std::string unit;     ///< "words", "hertz"; empty for a pure number or text.
  std::string example;  ///< As it would stand in YAML.
};

/// What a stage type says of itself.
struct StageSpec {
  std::string name;     ///< What `type:` says: snake_case.
  std::string summary;  ///< One sentence.
  std::string doc;      ///< Further paragraphs, Markdown.
  std::vector<ParamInfo> params;
  bool serial = false;           ///< `process` is called on one thread at a time.
  bool may_end = false;          ///< A pipeline may end here: the stage leaves something behind.
  std::string runtime = "host";  ///< The device runtime of a device stage.
};

/// Declares a stage: `static void describe(Spec<T>& spec)` fills it once, at registration. A
/// parameter's default is what the member holds in a default-constructed T.
///
///     spec.name("replace_word").summary("Replaces a word wherever a sentence says it.")
///         .param("from", &ReplaceWord::from, "The word to look for.").required()
///         .param("to", &ReplaceWord::to, "What is said instead.").example("kilometres");
template <class T>
class Spec {
 public:
  explicit Spec(StageSpec& spec) : spec_(spec) {}

  Spec& name(std::string name) { return set(spec_.name, std::move(name)); }
  Spec& summary(std::string summary) { return set(spec_.summary, std::move(summary)); }
  Spec& doc(std::string doc) { return set(spec_.doc, std::move(doc)); }

  /// The stage's `process` changes its members, so it is never called on two threads at a time.
  Spec& serial() {
    spec_.serial = true;
    return *this;
  }

  /// The stage leaves something behind (a file, say), so that it need have no follower.
  Spec& may_end() {
    spec_.may_end = true;
    return *this;
  }

  /// The device runtime ("torch") that a device stage needs on its lanes, unless the stage itself
  /// says another one: see DeviceStage.
  Spec& runtime(std::string name) { return set(spec_.runtime, std::move(name)); }

  /// Declares a parameter kept in `member`. What follows (`required`, `range`, ...) says more of it.
  template <class M, class Base>
  Spec& param(std::string name, M Base::*member, std::string doc) {
    static_assert(std::is_base_of_v<Base, T>, "a parameter is a member of the stage");
    static_assert(std::is_constructible_v<ParamField, M*>,
                  "this type cannot be given in YAML: see flowtts::ParamField for those that can");
    ParamInfo info;
    info.name = std::move(name);
    info.doc = std::move(doc);
    info.field = [member](void* stage) -> ParamField { return &(static_cast<T*>(stage)->*member); };
    spec_.params.push_back(std::move(info));
    return *this;
  }

  Spec& required() {
    last().required = true;
    return *this;
  }
  /// Both ends are allowed values.
  Spec& range(double minimum, double maximum) {
    last().minimum = minimum;
    last().maximum = maximum;
    return *this;
  }
  Spec& at_least(double minimum) {
    last().minimum = minimum;
    return *this;
  }
  Spec& one_of(std::vector<std::string> choices) {
    last().choices = std::move(choices);
    return *this;
  }
  Spec& unit(std::string unit) { return set(last().unit, std::move(unit)); }
  Spec& example(std::string example) { return set(last().example, std::move(example)); }

 private:
  ParamInfo& last() { return spec_.params.back(); }
  Spec& set(std::string& field, std::string value) {
    field = std::move(value);
    return *this;
  }

  StageSpec& spec_;
};

}  // namespace flowtts
