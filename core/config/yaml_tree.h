#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/diagnostics.h>

/// YAML as a tree that knows where each part stood. The only door to yaml-cpp.
namespace flowtts::yaml {

class Node;
using NodePtr = std::shared_ptr<const Node>;

struct Entry;

/// A value of the document. Immutable once parsed, shared where an alias repeats it.
class Node {
 public:
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  SourcePosition where;
  std::string text;     ///< Of a scalar.
  bool quoted = false;  ///< A quoted or block scalar is text whatever it looks like.
  bool faulty = false;  ///< What is wrong with it has been reported: nothing more is said of it.
  std::vector<NodePtr> items;
  std::vector<Entry> entries;  ///< In the file's order; keys are unique.

  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  bool is_null() const { return kind == Kind::kNull; }

  /// The entry with this key, or null.
  const Entry* find(std::string_view key) const;

  /// "'text'", "a list", "a map", "nothing": for messages. Long text is cut.
  std::string describe() const;
};

struct Entry {
  std::string key;
  SourcePosition where;  ///< Of the key.
  NodePtr value;         ///< Never null.
};

/// Limits that no file written by a person meets.
inline constexpr std::size_t kMaxFileBytes = 1 << 20;
inline constexpr std::size_t kMaxDepth = 64;

/// How large a tree is once its aliases and variables are written out.
struct Size {
  std::size_t nodes = 0;
  std::size_t bytes = 0;  ///< Of texts and keys.

  Size& operator+=(const Size& other) {
    nodes += other.nodes;
    bytes += other.bytes;
    return *this;
  }
  bool too_large() const { return nodes > 100'000 || bytes > 4 * kMaxFileBytes; }
};

/// Parses one document. Syntax errors, bytes that YAML does not allow, duplicate keys, merge keys, an
/// alias to itself or to nothing, tags other than YAML's own, several documents, an empty or too
/// large document are reported; null where nothing can be made of it, otherwise the tree with what
/// could be read.
NodePtr parse(std::string_view text, const std::string& file, Diagnostics& diagnostics);

/// Reads a file and parses it. A file that cannot be read is reported.
NodePtr read(const std::filesystem::path& file, Diagnostics& diagnostics);

/// A plain scalar as YAML 1.2's core schema reads it. Nothing where it is not of that type.
std::optional<bool> as_bool(const Node& node);
std::optional<double> as_number(const Node& node);

/// Whether a plain scalar looks octal ("010"), which YAML parsers read in different ways.
bool looks_octal(const Node& node);

}  // namespace flowtts::yaml
