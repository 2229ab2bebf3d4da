#include "stages/neural/torch/aoti_signature.h"

#include <rapidjson/document.h>

namespace flowtts {
namespace {

using rapidjson::Value;

const Value* children_of(const Value& node) {
  if (!node.IsObject()) return nullptr;
  const auto found = node.FindMember("children_spec");
  return found != node.MemberEnd() && found->value.IsArray() ? &found->value : nullptr;
}

std::string text_of(const Value& node, const char* name) {
  const auto found = node.FindMember(name);
  return found != node.MemberEnd() && found->value.IsString() ? found->value.GetString() : "";
}

/// A leaf has a name or none; what is in containers has none.
void add_leaves(const Value& node, const std::string& name, std::vector<std::string>& names) {
  const Value* children = children_of(node);
  if (children == nullptr) return;
  const auto type = node.FindMember("type");
  if (type != node.MemberEnd() && type->value.IsNull()) {
    names.push_back(name);
    return;
  }
  for (const Value& child : children->GetArray()) add_leaves(child, "", names);
}

void add_dict(const Value& node, std::vector<std::string>& names) {
  const Value* children = children_of(node);
  if (children == nullptr) return;
  rapidjson::Document keys;  // of the dict, as JSON in a text
  keys.Parse(text_of(node, "context").c_str());
  for (rapidjson::SizeType i = 0; i < children->Size(); ++i) {
    const bool named = keys.IsArray() && i < keys.Size() && keys[i].IsString();
    add_leaves((*children)[i], named ? keys[i].GetString() : "", names);
  }
}

bool is_dict(const Value& node) {
  return node.IsObject() && text_of(node, "type") == "builtins.dict";
}

}  // namespace

std::vector<std::string> names_in_spec(std::string_view spec, bool inputs) {
  std::vector<std::string> names;
  rapidjson::Document document;
  document.Parse(spec.data(), spec.size());
  if (!document.IsArray() || document.Size() != 2) return names;  // a version, and the tree
  const Value& root = document[1];
  if (!inputs) {
    if (is_dict(root)) {
      add_dict(root, names);
    } else {
      add_leaves(root, "", names);
    }
    return names;
  }
  const Value* children = children_of(root);  // the arguments by place, and those by name
  if (children == nullptr || children->Size() != 2) return names;
  add_leaves((*children)[0], "", names);
  add_dict((*children)[1], names);
  return names;
}

}  // namespace flowtts
