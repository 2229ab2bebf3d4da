#include "core/config/overrides.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace flowtts {
namespace {

using Path = std::vector<std::string>;

std::shared_ptr<yaml::Node> empty_map(const SourcePosition& where) {
  auto node = std::make_shared<yaml::Node>();
  node->kind = yaml::Node::Kind::kMap;
  node->where = where;
  return node;
}

/// A copy of `map` in which the value at `path` is `value`; maps that are missing on the way are
/// made.
yaml::NodePtr with_value(const yaml::NodePtr& map, std::span<const std::string> path,
                         const yaml::NodePtr& value) {
  if (path.empty()) return value;
  const bool usable = map && map->is_map();
  auto copy = usable ? std::make_shared<yaml::Node>(*map) : empty_map(value->where);
  const auto found = std::find_if(copy->entries.begin(), copy->entries.end(),
                                  [&](const yaml::Entry& entry) { return entry.key == path[0]; });
  if (found != copy->entries.end()) {
    found->value = with_value(found->value, path.subspan(1), value);
  } else {
    copy->entries.push_back({path[0], value->where, with_value(nullptr, path.subspan(1), value)});
  }
  return copy;
}

Path split_path(std::string_view text) {
  Path path;
  std::size_t at = 0;
  while (true) {
    const std::size_t dot = text.find('.', at);
    path.emplace_back(text.substr(at, dot == std::string_view::npos ? dot : dot - at));
    if (dot == std::string_view::npos) return path;
    at = dot + 1;
  }
}

/// What the stage is called: its id, or where it has none, its type.
std::string stage_id(const yaml::Node& stage) {
  for (const char* key : {"id", "type"}) {
    const yaml::Entry* entry = stage.is_map() ? stage.find(key) : nullptr;
    if (entry && !entry->value->is_null()) return entry->value->text;
  }
  return {};
}

/// One argument on its way into the tree.
class Override {
 public:
  Override(const std::string& argument, Diagnostics& diagnostics)
      : argument_(argument), where_{"--set " + argument, 0, 0}, diagnostics_(diagnostics) {}

  yaml::NodePtr apply(yaml::NodePtr root) {
    const std::size_t equals = argument_.find('=');
    if (equals == std::string::npos || equals == 0) {
      return refuse(root, "expected NAME.KEY=VALUE, such as sample.alpha=0.1");
    }
    Path path = split_path(std::string_view(argument_).substr(0, equals));
    if (path.size() < 2 || std::find(path.begin(), path.end(), "") != path.end()) {
      return refuse(root, "expected NAME.KEY=VALUE with NAME being vars, run or a stage's id");
    }
    const yaml::NodePtr value = parse_value(argument_.substr(equals + 1));
    if (!value) return root;
    if (path[0] == "vars" || path[0] == "run") return with_value(root, path, value);
    return apply_to_stage(root, path, value);
  }

 private:
  yaml::NodePtr refuse(const yaml::NodePtr& root, std::string message) {
    diagnostics_.error(where_, "bad-override", std::move(message));
    return root;
  }

  yaml::NodePtr parse_value(const std::string& text) {
    auto node = std::make_shared<yaml::Node>();
    node->kind = yaml::Node::Kind::kScalar;
    if (text.empty() || text == "-") {  // "-" is the standard input, not a list of nothing
      node->text = text;
      node->quoted = true;
    } else if (text == "null" || text == "~") {
      node->kind = yaml::Node::Kind::kNull;
    } else {
      Diagnostics inner;
      const yaml::NodePtr parsed = yaml::parse(text, where_.file, inner);
      if (!parsed || inner.has_errors()) {
        diagnostics_.error(
            where_, "bad-override",
            fmt::format("'{}' is no YAML value: {}", text, inner.sorted().front().message));
        return nullptr;
      }
      *node = *parsed;
    }
    node->where = where_;
    return node;
  }

  yaml::NodePtr apply_to_stage(const yaml::NodePtr& root, const Path& path,
                               const yaml::NodePtr& value) {
    const yaml::Entry* stages = root->is_map() ? root->find("stages") : nullptr;
    std::vector<std::string> names{"vars", "run"};
    if (stages && stages->value->is_list()) {
      auto list = std::make_shared<yaml::Node>(*stages->value);
      for (yaml::NodePtr& stage : list->items) {
        const std::string id = stage_id(*stage);
        if (id == path[0]) {
          stage = with_value(stage, inside_stage(path), value);
          const Path at{"stages"};
          return with_value(root, at, list);
        }
        if (!id.empty()) names.push_back(id);
      }
    }
    return refuse(root, fmt::format("there is no '{}' to set; allowed is {}{}", path[0],
                                    list_words(names), did_you_mean(path[0], names)));
  }

  static Path inside_stage(const Path& path) {
    Path inside(path.begin() + 1, path.end());
    const auto keys = stage_keys();
    if (std::find(keys.begin(), keys.end(), inside[0]) == keys.end()) {
      inside.insert(inside.begin(), "with");
    }
    return inside;
  }

  const std::string& argument_;
  SourcePosition where_;
  Diagnostics& diagnostics_;
};

}  // namespace

yaml::NodePtr apply_overrides(yaml::NodePtr root, std::span<const std::string> overrides,
                              Diagnostics& diagnostics) {
  for (const std::string& argument : overrides) {
    root = Override(argument, diagnostics).apply(std::move(root));
  }
  return root;
}

std::span<const std::string> stage_keys() {
  static const std::array<std::string, 9> kKeys{
      "id", "type", "from", "concurrency", "devices", "lanes", "batch", "recycle", "with"};
  return kKeys;
}

}  // namespace flowtts
