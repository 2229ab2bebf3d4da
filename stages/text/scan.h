#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// Small pieces that the text rules share. All are pure and work on bytes of UTF-8; nothing here
/// depends on a locale.
namespace flowtts::scan {

inline constexpr std::size_t kNone = std::string_view::npos;

constexpr bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_alpha(char c) { return is_upper(c) || is_lower(c); }
constexpr bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }
constexpr bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
constexpr char to_lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }
// A loop, since a compiler unrolls it for a constant set; find() would call memchr for each byte.
constexpr bool is_one_of(char c, std::string_view set) {
  for (const char member : set) {
    if (member == c) return true;
  }
  return false;
}

/// The byte at `at`, or NUL outside the text.
constexpr char at(std::string_view text, std::size_t position) {
  return position < text.size() ? text[position] : '\0';
}

std::string lower(std::string_view text);
std::string_view trim(std::string_view text);
/// The same for the white space of all scripts (U+3000, say).
std::string_view trim_unicode(std::string_view text);
bool equals_ignoring_case(std::string_view text, std::string_view lower_case);
bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case);
/// The first byte at or behind `from` that is in `set`; kNone where there is none.
std::size_t find_any(std::string_view text, std::string_view set, std::size_t from = 0);
inline bool contains_any(std::string_view text, std::string_view set) {
  return find_any(text, set) != kNone;
}

/// One code point of UTF-8.
struct CodePoint {
  std::int32_t value;  ///< -1 where the bytes are not valid UTF-8.
  std::size_t length;  ///< Bytes; at least 1, at most the bytes that are left.
};

/// Reads the code point at `position`, which must be inside the text. Ill-formed bytes are one
/// CodePoint of value -1 for each maximal ill-formed part, as the Unicode standard recommends.
CodePoint decode(std::string_view text, std::size_t position);

/// Appends a valid code point.
void append(std::string& text, std::int32_t code_point);

/// The code point that ends just before `position`, with value -1 where there is none.
CodePoint decode_before(std::string_view text, std::size_t position);

/// Whether a code point is a letter or a number of any script: a word has one, and only a text that
/// has one can be said.
bool is_letter_or_digit(std::int32_t code_point);

/// Whether there is any letter or number of any script.
bool has_letter_or_digit(std::string_view text);

/// Finds one needle again and again from positions that never decrease. A scanner that asked
/// std::string_view::find for each opening mark would read a text of unclosed marks to its end for
/// each of them; this one reads it once.
class Finder {
 public:
  Finder(std::string_view text, std::string_view needle) : text_(text), needle_(needle) {}

  std::size_t next(std::size_t from) {
    if (!started_ || (found_ != kNone && found_ < from)) found_ = text_.find(needle_, from);
    started_ = true;
    return found_;
  }

 private:
  std::string_view text_;
  std::string_view needle_;
  std::size_t found_ = kNone;
  bool started_ = false;
};

/// Walks the lines of a text; a line is given without its line feed.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  /// False at the end. A text of n line feeds has n + 1 lines.
  bool next(std::string_view& line);

 private:
  std::string_view rest_;
  bool done_ = false;
};

}  // namespace flowtts::scan
