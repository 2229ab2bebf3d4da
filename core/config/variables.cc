#include "core/config/variables.h"

#include <algorithm>

#include <fmt/format.h>

namespace flowtts {
namespace {

/// What variables may insert in all: variables that use variables could otherwise double at each
/// step, as aliases could.
constexpr std::size_t kMaxInsertedBytes = yaml::kMaxFileBytes;

std::shared_ptr<yaml::Node> scalar(std::string text, const SourcePosition& where, bool quoted) {
  auto node = std::make_shared<yaml::Node>();
  node->kind = yaml::Node::Kind::kScalar;
  node->where = where;
  node->text = std::move(text);
  node->quoted = quoted;
  return node;
}

}  // namespace

Variables::Variables(const yaml::Node* vars, Environment environment, Diagnostics& diagnostics)
    : environment_(std::move(environment)), diagnostics_(diagnostics) {
  if (!vars) return;
  for (const yaml::Entry& entry : vars->entries) raw_[entry.key] = entry.value;
  for (const yaml::Entry& entry : vars->entries) {
    value_of(Reference{entry.key, false, std::nullopt}, *entry.value);
  }
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
      diagnostics_.error(node.where, "bad-variable",
                         fmt::format("'{}' opens a variable and does not close it with '}}'",
                                     text.substr(open)));
      return scalar(text, node.where, true);
    }
    const Reference reference = parse_reference(
        std::string_view(text).substr(open + 2, close - open - 2));
    const yaml::NodePtr value = value_of(reference, node);
    if (!value) return scalar(text, node.where, true);
    if (open == 0 && close + 1 == text.size()) {
      auto whole = std::make_shared<yaml::Node>(*value);
      whole->where = node.where;
      whole->quoted = value->quoted || node.quoted;
      return whole;
    }
    if (!value->is_scalar()) {
      diagnostics_.error(node.where, "bad-variable",
                         fmt::format("variable '{}' is {}; only text can stand inside a text",
                                     reference.name, value->describe()));
      return scalar(text, node.where, true);
    }
    inserted_bytes_ += value->text.size();
    if (inserted_bytes_ > kMaxInsertedBytes) {
      diagnostics_.error(node.where, "too-large",
                         fmt::format("variables insert more than {} bytes", kMaxInsertedBytes));
      return scalar(text, node.where, true);
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
  if (const auto done = expanded_.find(reference.name); done != expanded_.end()) {
    return done->second;
  }
  const auto raw = raw_.find(reference.name);
  if (raw == raw_.end()) return fallback();

  if (std::find(expanding_.begin(), expanding_.end(), reference.name) != expanding_.end()) {
    diagnostics_.error(at.where, "variable-cycle",
                       fmt::format("variable '{}' is defined by itself: {} -> {}", reference.name,
                                   fmt::join(expanding_, " -> "), reference.name));
    return nullptr;
  }
  expanding_.push_back(reference.name);
  yaml::NodePtr value = expand(raw->second);
  expanding_.pop_back();
  return expanded_[reference.name] = std::move(value);
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
