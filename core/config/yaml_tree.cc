#include "core/config/yaml_tree.h"

#include <algorithm>
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

#include "core/utf8.h"

namespace flowtts::yaml {
namespace {

/// Thrown out of the parser when what follows cannot be read any more; already reported.
struct Stop {};

/// The offset of the first byte that a YAML file cannot hold; its size where there is none. yaml-cpp
/// would take some of them for the end of the file.
std::size_t first_bad_byte(std::string_view text) {
  const std::size_t valid = valid_utf8_prefix(text);
  for (std::size_t i = 0; i < valid; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0x7F || (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r')) return i;
  }
  return valid;
}

bool has_only_allowed_bytes(std::string_view text, const std::string& file,
                            Diagnostics& diagnostics) {
  const std::size_t bad = first_bad_byte(text);
  if (bad == text.size()) return true;
  const std::string_view before = text.substr(0, bad);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto byte = static_cast<unsigned char>(text[bad]);
  diagnostics.error(
      {file, static_cast<int>(line), static_cast<int>(bad - line_start) + 1}, "bad-character",
      byte < 0x80 ? fmt::format("the byte 0x{:02x} cannot stand in a YAML file", byte)
                  : fmt::format("the byte 0x{:02x} is not UTF-8; save the file as UTF-8", byte));
  return false;
}

/// Builds the tree from yaml-cpp's events, which keep what its own nodes lose: duplicate keys, the
/// places of keys, and whether a scalar was quoted.
class Builder final : public YAML::EventHandler {
 public:
  Builder(const std::string& file, Diagnostics& diagnostics)
      : file_(file), diagnostics_(diagnostics) {}

  NodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) fail(mark, "several-documents", "one file holds one YAML document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(Node::Kind::kNull, mark), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = make(Node::Kind::kScalar, mark, value.size());
    check_tag(mark, tag);
    node->quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
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

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(make(Node::Kind::kList, mark), anchor, mark);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(make(Node::Kind::kMap, mark), anchor, mark);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor = 0;
    Size before;  ///< Of the document before this value.
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

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";
    if (tag.empty() || tag == "!" || tag == "?") return;
    if (tag.starts_with(kStandard)) {
      const std::string_view name = std::string_view(tag).substr(kStandard.size());
      for (const char* known : {"str", "int", "float", "bool", "null", "map", "seq"}) {
        if (name == known) return;
      }
    }
    diagnostics_.error(position(mark), "unknown-tag",
                       fmt::format("the tag '{}' means nothing here; leave it out", tag));
  }

  std::shared_ptr<Node> make(Node::Kind kind, const YAML::Mark& mark, std::size_t bytes = 0) {
    count(mark, {1, bytes});
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->where = position(mark);
    return node;
  }

  void count(const YAML::Mark& mark, const Size& size) {
    size_ += size;
    if (size_.too_large()) {
      fail(mark, "too-large", "the document is too large once its aliases are written out");
    }
  }

  bool expects_key() const {
    return !open_.empty() && open_.back().node->is_map() && !open_.back().pending;
  }

  void open(std::shared_ptr<Node> node, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (open_.size() >= kMaxDepth) {
      fail(mark, "too-deep", fmt::format("values are nested more than {} deep", kMaxDepth));
    }
    if (expects_key()) {
      fail(mark, "bad-key",
           "a key is plain text, not a list or a map; or is this bracket never closed?");
    }
    Open opened;
    opened.node = std::move(node);
    opened.anchor = anchor;
    opened.before = {size_.nodes - 1, size_.bytes};
    open_.push_back(std::move(opened));
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    remember(closed.node, closed.anchor,
             {size_.nodes - closed.before.nodes, size_.bytes - closed.before.bytes});
    place(closed.node, closed.node->where);
  }

  void add(std::shared_ptr<Node> node, YAML::anchor_t anchor) {
    remember(node, anchor, {1, node->text.size()});
    const SourcePosition where = node->where;
    place(std::move(node), where);
  }

  void remember(NodePtr node, YAML::anchor_t anchor, const Size& size) {
    if (anchor == 0) return;
    anchors_[anchor] = std::move(node);
    sizes_[anchor] = size;
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
  std::unordered_map<YAML::anchor_t, Size> sizes_;
  Size size_;
  int documents_ = 0;
};

/// What yaml-cpp says, with what a person may need to see the reason.
Diagnostic syntax_error(const YAML::Exception& error, std::string_view text,
                        const std::string& file) {
  Diagnostic found{Severity::kError, {file, 0, 0}, "yaml-syntax", error.msg};
  if (error.msg == YAML::ErrorMsg::EOF_IN_SCALAR) {
    found.message = "the file ends inside a text whose quote is not closed";
    return found;
  }
  if (error.mark.is_null()) return found;
  found.where = {file, error.mark.line + 1, error.mark.column + 1};
  const std::string_view before = text.substr(0, static_cast<std::size_t>(error.mark.pos));
  const std::string_view line = text.substr(before.rfind('\n') + 1);  // npos + 1 is 0
  const std::string_view indentation = line.substr(0, line.find_first_not_of(" \t"));
  if (indentation.find('\t') != std::string_view::npos) {
    found.message += "; the line is indented with a tab, and YAML takes spaces only";
  }
  return found;
}

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
    case Kind::kScalar: {
      constexpr std::size_t kMost = 60;
      const std::string_view front = std::string_view(text).substr(0, kMost);
      const std::string_view shown = front.substr(0, valid_utf8_prefix(front));
      return fmt::format("{}'{}{}'", quoted ? "the text " : "", shown,
                         text.size() > kMost ? "..." : "");
    }
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
                      fmt::format("the file has more than {} bytes", kMaxFileBytes));
    return nullptr;
  }
  if (!has_only_allowed_bytes(text, file, diagnostics)) return nullptr;
  Builder builder(file, diagnostics);
  try {
    // The comment behind the end lets yaml-cpp see a quote that is not closed: it does not where the
    // file ends with a line end.
    std::istringstream stream{std::string(text) + "\n#"};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder) || !builder.root() || builder.root()->is_null()) {
      diagnostics.error({file, 0, 0}, "empty-file", "the file holds no YAML value");
      return nullptr;
    }
    try {
      parser.HandleNextDocument(builder);
    } catch (const Stop&) {  // A second one, which is reported; the first one is read on.
    }
  } catch (const Stop&) {
    return nullptr;
  } catch (const YAML::Exception& error) {
    const Diagnostic found = syntax_error(error, text, file);
    diagnostics.error(found.where, found.code, found.message);
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
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
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
