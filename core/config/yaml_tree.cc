#include "core/config/yaml_tree.h"

#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace flowtts::yaml {
namespace {

/// Thrown out of the parser when what follows cannot be read any more; already reported.
struct Stop {};

/// Builds the tree from yaml-cpp's events, which keep what its own nodes lose: duplicate keys, the
/// places of keys, and whether a scalar was quoted.
class Builder final : public YAML::EventHandler {
 public:
  Builder(const std::string& file, Diagnostics& diagnostics)
      : file_(file), diagnostics_(diagnostics) {}

  NodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(Node::Kind::kNull, mark), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = make(Node::Kind::kScalar, mark);
    node->quoted = tag == "!";
    node->text = value;
    const bool empty = !node->quoted && (value.empty() || value == "~" || value == "null");
    if (empty && !expects_key()) node->kind = Node::Kind::kNull;
    add(node, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      fail(mark, "alias-cycle", "this alias stands inside the value that it names");
    }
    count(mark, sizes_[anchor]);
    place(found->second, position(mark));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make(Node::Kind::kList, mark), anchor, mark);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make(Node::Kind::kMap, mark), anchor, mark);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor = 0;
    std::size_t nodes_before = 0;
    std::optional<Entry> pending;  ///< A key that waits for its value.
    std::unordered_set<std::string> keys;
    bool drop_value = false;  ///< The key was a duplicate.
  };

  SourcePosition position(const YAML::Mark& mark) const {
    return {file_, mark.line + 1, mark.column + 1};
  }

  [[noreturn]] void fail(const YAML::Mark& mark, std::string code, std::string message) {
    diagnostics_.error(position(mark), std::move(code), std::move(message));
    throw Stop{};
  }

  std::shared_ptr<Node> make(Node::Kind kind, const YAML::Mark& mark) {
    count(mark, 1);
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->where = position(mark);
    return node;
  }

  void count(const YAML::Mark& mark, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > kMaxNodes) {
      fail(mark, "too-large",
           fmt::format("the document has more than {} values once its aliases are written out",
                       kMaxNodes));
    }
  }

  bool expects_key() const {
    return !open_.empty() && open_.back().node->is_map() && !open_.back().pending;
  }

  void open(std::shared_ptr<Node> node, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (open_.size() >= kMaxDepth) {
      fail(mark, "too-deep", fmt::format("values are nested more than {} deep", kMaxDepth));
    }
    if (expects_key()) fail(mark, "bad-key", "a key is plain text, not a list or a map");
    Open opened;
    opened.node = std::move(node);
    opened.anchor = anchor;
    opened.nodes_before = nodes_ - 1;
    open_.push_back(std::move(opened));
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    remember(closed.node, closed.anchor, nodes_ - closed.nodes_before);
    place(closed.node, closed.node->where);
  }

  void add(std::shared_ptr<Node> node, YAML::anchor_t anchor) {
    remember(node, anchor, 1);
    const SourcePosition where = node->where;
    place(std::move(node), where);
  }

  void remember(NodePtr node, YAML::anchor_t anchor, std::size_t nodes) {
    if (anchor == 0) return;
    anchors_[anchor] = std::move(node);
    sizes_[anchor] = nodes;
  }

  void place(NodePtr node, const SourcePosition& where) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node->is_list()) {
      parent.node->items.push_back(std::move(node));
    } else if (!parent.pending) {
      place_key(parent, *node, where);
    } else {
      parent.pending->value = std::move(node);
      if (!parent.drop_value) parent.node->entries.push_back(*std::move(parent.pending));
      parent.pending.reset();
      parent.drop_value = false;
    }
  }

  void place_key(Open& parent, const Node& key, const SourcePosition& where) {
    if (!key.is_scalar()) {
      diagnostics_.error(where, "bad-key", "a key is plain text, not " + key.describe());
      throw Stop{};
    }
    if (key.text == "<<" && !key.quoted) {
      diagnostics_.error(where, "merge-key",
                         "the merge key '<<' is not part of YAML 1.2; write the values out");
      throw Stop{};
    }
    if (!parent.keys.insert(key.text).second) {
      const SourcePosition& first = parent.node->find(key.text)->where;
      diagnostics_.error(where, "duplicate-key",
                         fmt::format("'{}' is given twice; the first is at {}:{}", key.text,
                                     first.line, first.column));
      parent.drop_value = true;
    }
    parent.pending = Entry{key.text, where, nullptr};
  }

  const std::string& file_;
  Diagnostics& diagnostics_;
  NodePtr root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, NodePtr> anchors_;
  std::unordered_map<YAML::anchor_t, std::size_t> sizes_;
  std::size_t nodes_ = 0;
};

}  // namespace

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string Node::describe() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return fmt::format("'{}'", text.size() <= 60 ? text : text.substr(0, 57) + "...");
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return {};
}

NodePtr parse(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  if (text.size() > kMaxFileBytes) {
    diagnostics.error({file, 0, 0}, "too-large",
                      fmt::format("the file has {} bytes, the most is {}", text.size(),
                                  kMaxFileBytes));
    return nullptr;
  }
  Builder builder(file, diagnostics);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder) || !builder.root() || builder.root()->is_null()) {
      diagnostics.error({file, 0, 0}, "empty-file", "the file holds no YAML value");
      return nullptr;
    }
    Diagnostics ignored;
    Builder second(file, ignored);
    if (parser.HandleNextDocument(second)) {
      const SourcePosition where = second.root() ? second.root()->where : SourcePosition{file, 0, 0};
      diagnostics.error(where, "several-documents", "one file holds one YAML document");
    }
  } catch (const Stop&) {
    return nullptr;
  } catch (const YAML::Exception& error) {
    SourcePosition where{file, 0, 0};
    if (!error.mark.is_null()) where = {file, error.mark.line + 1, error.mark.column + 1};
    diagnostics.error(where, "yaml-syntax", error.msg);
    return nullptr;
  }
  return builder.root();
}

NodePtr read(const std::filesystem::path& file, Diagnostics& diagnostics) {
  const std::string name = file.string();
  std::error_code status;
  if (std::filesystem::is_directory(file, status)) {
    diagnostics.error({name, 0, 0}, "unreadable-file", "this is a folder, not a YAML file");
    return nullptr;
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    diagnostics.error({name, 0, 0}, "unreadable-file",
                      fmt::format("the file cannot be opened: {}",
                                  std::generic_category().message(errno)));
    return nullptr;
  }
  std::string text(kMaxFileBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse(text, name, diagnostics);
}

std::optional<bool> as_bool(const Node& node) {
  if (!node.is_scalar() || node.quoted) return std::nullopt;
  for (const char* word : {"true", "True", "TRUE"}) {
    if (node.text == word) return true;
  }
  for (const char* word : {"false", "False", "FALSE"}) {
    if (node.text == word) return false;
  }
  return std::nullopt;
}

std::optional<double> as_number(const Node& node) {
  if (!node.is_scalar() || node.quoted || looks_octal(node)) return std::nullopt;
  std::string_view text = node.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    return std::nullopt;
  }
  return number;
}

bool looks_octal(const Node& node) {
  if (!node.is_scalar() || node.quoted) return false;
  std::string_view text = node.text;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with("0o")) return true;
  return text.size() > 1 && text[0] == '0' &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace flowtts::yaml
