#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flowtts {

/// Finds where a record ends that could not be parsed, byte by byte and without keeping any, so
/// that the records after it can be read.
///
/// In JSON Lines: where the next line starts that neither is indented nor closes a bracket (a
/// record over several lines), or simply the next line where the record itself was indented.
///
/// In an array, whichever comes first:
///  - a comma and a `{` after all brackets are closed. A closing bracket closes all that were
///    opened inside its partner; one without a partner is passed over. A string ends at the end of
///    its line at the latest, since no JSON string goes on beyond it;
///  - a comma and a `{` directly inside the record's own braces, where only a member may stand;
///  - a `{` that starts a line, indented exactly as the record was, where that started a line;
///  - a comma and the opening that the file's records have (`{"id":`), even inside what looks like
///    a string, because one quote too many turns texts and structure round for the rest of a line;
///  - the array's `]`, once nothing but white space follows it up to the end of the file.
/// What does not start with `{` ends there too, and at any comma or `]` outside all brackets.
///
/// One object finds one end.
class RecordEnd {
 public:
  struct Start {
    bool in_array = true;
    bool is_object = true;    ///< The record's first byte is `{`.
    bool starts_line = true;  ///< Only white space stands before it on its line.
    std::size_t indent = 0;   ///< How many bytes of that.
    std::string opening;      ///< How records start, up to the first colon; may be empty.
  };

  enum class Found : std::uint8_t {
    kNext,     ///< Where the next record, or what stands before it, starts.
    kEnd,      ///< The end of the file, where the record ends as well.
    kNothing,  ///< So far: no end of the record.
  };

  static constexpr std::size_t kLookAhead = 64;

  explicit RecordEnd(Start start) : start_(std::move(start)) {}

  /// Goes on through `bytes`, which start where the call before stopped, and returns how many of
  /// them are the record's. Looks kLookAhead bytes ahead, so as many are left over unless `last`
  /// says that the file ends with them.
  std::size_t feed(std::string_view bytes, bool last);

  Found found() const;

  /// Where the record ended: whether only white space stands before that on its line, how much.
  bool at_line_start() const { return line_start_; }
  std::size_t indent() const { return indent_; }

 private:
  enum class After : std::uint8_t { kInside, kComma, kClosed };

  bool ends_at(std::string_view rest) const;
  bool ends_line_record(char c) const;
  bool ends_array_record(std::string_view rest) const;
  void track(char c);
  void track_bracket(char c);
  void close(char open);

  Start start_;
  std::vector<char> open_;  // The brackets that are open, up to kMaxOpen.
  bool first_ = true;
  bool in_string_ = false;
  bool escaped_ = false;
  bool line_start_ = false;  // Only white space since the line's start.
  std::size_t indent_ = 0;
  After after_ = After::kInside;
  bool next_found_ = false;
  char last_ = 0;  // The latest byte that is no white space.
};

}  // namespace flowtts
