#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/config/yaml_tree.h"

namespace flowtts {

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// Puts values in place of `${name}`, `${name:-default}`, `${env:NAME}` and `${env:NAME:-default}`;
/// `$${` stands for `${`. A scalar that is nothing but one variable takes over the variable's value
/// with its type, lists included, whether or not the scalar is quoted: in a flow map it has to be.
/// Elsewhere the value's text is inserted.
class Variables {
 public:
  /// \param vars the file's `vars` map, or null. A variable may use others.
  Variables(const yaml::Node* vars, Environment environment, Diagnostics& diagnostics);

  /// The file's tree with every variable replaced. Undefined ones are reported at their place, and
  /// so are those that nothing uses.
  yaml::NodePtr expand_file(const yaml::Node& root);

 private:
  /// A reference `${...}` as it stands in a scalar.
  struct Reference {
    std::string name;
    bool environment = false;
    std::optional<std::string> fallback;
  };

  yaml::NodePtr expand(const yaml::NodePtr& node);
  yaml::NodePtr expand_scalar(const yaml::Node& node);
  /// The value of a reference, already expanded; null where there is none.
  yaml::NodePtr value_of(const Reference& reference, const yaml::Node& at);
  yaml::NodePtr define(const std::string& name, const yaml::Node& at);
  /// Counts what a variable inserts; reports where it is too much.
  bool fits(const yaml::Node& value, const yaml::Node& at);
  yaml::NodePtr refuse(const yaml::Node& at, std::string code, std::string message);
  void report_undefined(const Reference& reference, const yaml::Node& at);
  void report_unused(const yaml::Node& vars);
  static Reference parse_reference(std::string_view inside);

  std::unordered_map<std::string, yaml::NodePtr> raw_;
  std::unordered_map<std::string, yaml::NodePtr> expanded_;
  std::unordered_set<std::string> used_;
  std::vector<std::string> expanding_;
  Environment environment_;
  Diagnostics& diagnostics_;
  yaml::Size inserted_;
  bool too_large_ = false;
};

}  // namespace flowtts
