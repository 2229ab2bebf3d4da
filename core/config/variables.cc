#include "core/config/variables.h"

#include <algorithm>

#include <fmt/format.h>

namespace flowtts {
namespace {

/// How far variables may use variables that use variables.
constexpr std::size_t kMaxChain = 64;

std::shared_ptr<yaml::Node> scalar(std::string text, const SourcePosition& where, bool quoted) {
  auto node = std::make_shared<yaml::Node>();
  node->kind = yaml::Node::Kind::kScalar;
  node->where = where;
  node->text = std::move(text);
  node->quoted = quoted;
  return node;
}

/// What stands for a scalar whose fault has been reported.
yaml::NodePtr faulty(const yaml::Node& node) {
  auto copy = scalar(node.text, node.where, true);
  copy->faulty = true;
  return copy;
}

/// Adds up how large a value is, and stops where that is too much. False where it is too deep.
bool measure(const yaml::Node& node, std::size_t depth, yaml::Size& size) {
  if (depth > yaml::kMaxDepth) return false;
  size += {1, node.text.size()};
  for (const yaml::NodePtr& item : node.items) {
    if (size.too_large()) return true;
    if (!measure(*item, depth + 1, size)) return false;
  }
  for (const yaml::Entry& entry : node.entries) {
    if (size.too_large()) return true;
    size.bytes += entry.key.size();
    if (!measure(*entry.value, depth + 1, size)) return false;
  }
  return true;
}

}  // namespace

Variables::Variables(const yaml::Node* vars, Environment environment, Diagnostics& diagnostics)
    : environment_(std::move(environment)), diagnostics_(diagnostics) {
  if (!vars) return;
  for (const yaml::Entry& entry : vars->entries) raw_[entry.key] = entry.value;
  for (const yaml::Entry& entry : vars->entries) define(entry.key, *entry.value);
}

yaml::NodePtr Variables::expand_file(const yaml::Node& root) {
  auto copy = std::make_shared<yaml::Node>(root);
  yaml::Entry* vars = nullptr;
  for (yaml::Entry& entry : copy->entries) {
    if (entry.key == "vars" && entry.value->is_map()) {
      vars = &entry;
    } else {
      entry.value = expand(entry.value);
    }
  }
  if (!vars) return copy;
  report_unused(*vars->value);
  auto values = std::make_shared<yaml::Node>(*vars->value);
  for (yaml::Entry& entry : values->entries) entry.value = expanded_.at(entry.key);
  vars->value = std::move(values);
  return copy;
}

yaml::NodePtr Variables::expand(const yaml::NodePtr& node) {
  switch (node->kind) {
    case yaml::Node::Kind::kNull:
      return node;
    case yaml::Node::Kind::kScalar:
      return node->text.find("${") == std::string::npos ? node : expand_scalar(*node);
    case yaml::Node::Kind::kList: {
      auto copy = std::make_shared<yaml::Node>(*node);
      for (yaml::NodePtr& item : copy->items) item = expand(item);
      return copy;
    }
    case yaml::Node::Kind::kMap: {
      auto copy = std::make_shared<yaml::Node>(*node);
      for (yaml::Entry& entry : copy->entries) entry.value = expand(entry.value);
      return copy;
    }
  }
  return node;
}

yaml::NodePtr Variables::expand_scalar(const yaml::Node& node) {
  const std::string& text = node.text;
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = text.find("${", at);
    if (open == std::string::npos) break;
    if (open > at && text[open - 1] == '$') {  // "$${" is a literal "${"
      out.append(text, at, open - 1 - at).append("${");
      at = open + 2;
      continue;
    }
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos) {
      return refuse(node, "bad-variable",
                    fmt::format("'{}' opens a variable and does not close it with '}}'",
                                text.substr(open)));
    }
    const std::string_view inside = std::string_view(text).substr(open + 2, close - open - 2);
    if (inside.find("${") != std::string_view::npos) {
      return refuse(node, "bad-variable",
                    fmt::format("'{}' has a variable inside a variable; define one that uses the "
                                "other under 'vars'",
                                text.substr(open)));
    }
    const Reference reference = parse_reference(inside);
    const yaml::NodePtr value = value_of(reference, node);
    if (!value || value->faulty || !fits(*value, node)) return faulty(node);
    if (open == 0 && close + 1 == text.size()) {
      auto whole = std::make_shared<yaml::Node>(*value);
      whole->where = node.where;
      return whole;
    }
    if (!value->is_scalar()) {
      return refuse(node, "bad-variable",
                    fmt::format("variable '{}' is {}; only text can stand inside a text",
                                reference.name, value->describe()));
    }
    out.append(text, at, open - at).append(value->text);
    at = close + 1;
  }
  out.append(text, at);
  return scalar(std::move(out), node.where, node.quoted);
}

Variables::Reference Variables::parse_reference(std::string_view inside) {
  Reference reference;
  if (inside.starts_with("env:")) {
    reference.environment = true;
    inside.remove_prefix(4);
  }
  if (const std::size_t dash = inside.find(":-"); dash != std::string_view::npos) {
    reference.fallback = std::string(inside.substr(dash + 2));
    inside = inside.substr(0, dash);
  }
  reference.name = std::string(inside);
  return reference;
}

yaml::NodePtr Variables::value_of(const Reference& reference, const yaml::Node& at) {
  const auto fallback = [&]() -> yaml::NodePtr {
    if (reference.fallback) return scalar(*reference.fallback, at.where, false);
    report_undefined(reference, at);
    return nullptr;
  };
  if (reference.environment) {
    if (auto value = environment_(reference.name)) return scalar(*value, at.where, false);
    return fallback();
  }
  used_.insert(reference.name);
  return raw_.contains(reference.name) ? define(reference.name, at) : fallback();
}

yaml::NodePtr Variables::define(const std::string& name, const yaml::Node& at) {
  if (const auto done = expanded_.find(name); done != expanded_.end()) return done->second;
  const auto first = std::find(expanding_.begin(), expanding_.end(), name);
  if (first != expanding_.end()) {
    return refuse(at, "variable-cycle",
                  fmt::format("variable '{}' is defined by itself: {} -> {}", name,
                              fmt::join(first, expanding_.end(), " -> "), name));
  }
  if (expanding_.size() >= kMaxChain) {
    return refuse(at, "too-deep",
                  fmt::format("variables use one another more than {} deep", kMaxChain));
  }
  expanding_.push_back(name);
  yaml::NodePtr value = expand(raw_.at(name));
  expanding_.pop_back();
  return expanded_[name] = std::move(value);
}

bool Variables::fits(const yaml::Node& value, const yaml::Node& at) {
  inserted_.bytes += at.text.size();
  if (!measure(value, 0, inserted_)) {
    refuse(at, "too-deep",
           fmt::format("values are nested more than {} deep once variables are put in",
                       yaml::kMaxDepth));
    return false;
  }
  if (!inserted_.too_large()) return true;
  if (!too_large_) refuse(at, "too-large", "the variables are too large once they are put in");
  too_large_ = true;  // said once: everything behind it is too much as well
  return false;
}

yaml::NodePtr Variables::refuse(const yaml::Node& at, std::string code, std::string message) {
  diagnostics_.error(at.where, std::move(code), std::move(message));
  return faulty(at);
}

void Variables::report_unused(const yaml::Node& vars) {
  std::vector<std::string> used(used_.begin(), used_.end());
  std::sort(used.begin(), used.end());
  for (const yaml::Entry& entry : vars.entries) {
    if (used_.contains(entry.key)) continue;
    const std::string message = fmt::format("variable '{}' is used nowhere", entry.key);
    if (entry.where.line == 0) {  // `--set` made it: a slip of the keyboard, which would do nothing
      diagnostics_.error(entry.where, "unused-variable", message + did_you_mean(entry.key, used));
    } else {
      diagnostics_.warning(entry.where, "unused-variable", message);
    }
  }
}

void Variables::report_undefined(const Reference& reference, const yaml::Node& at) {
  if (reference.environment) {
    diagnostics_.error(at.where, "undefined-variable",
                       fmt::format("environment variable '{0}' is not set; set it or give a default "
                                   "as ${{env:{0}:-default}}",
                                   reference.name));
    return;
  }
  std::vector<std::string> names;
  for (const auto& [name, value] : raw_) names.push_back(name);
  std::sort(names.begin(), names.end());
  const std::string known =
      names.empty() ? "no variables are defined" : "defined is " + list_words(names);
  diagnostics_.error(at.where, "undefined-variable",
                     fmt::format("variable '{}' is not defined; {}{}", reference.name, known,
                                 did_you_mean(reference.name, names)));
}

}  // namespace flowtts
