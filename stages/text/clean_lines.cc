#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <vector>

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts::clean {
namespace {

enum class Kind {
  kBlank,
  kPlain,
  kSentence,  ///< A heading, an item or an option: it ends where its line ends.
};

struct Line {
  std::string text;
  Kind kind = Kind::kPlain;
};

// A line that is shorter than this and is followed by one that begins with a capital was ended on
// purpose; a longer one may have been wrapped.
constexpr std::size_t kShortLine = 60;

/// Skips a mark, the white space behind it and nothing else; false where there is no white space.
bool skip_mark(std::string_view& line, std::size_t length) {
  if (line.size() > length && line[length] != ' ') return false;
  line = scan::trim(line.substr(std::min(length, line.size())));
  return true;
}

bool is_rule(std::string_view line) {
  return line.size() >= 3 && scan::is_one_of(line[0], "-*_=") &&
         line.find_first_not_of(std::string{line[0], ' '}) == scan::kNone &&
         std::count(line.begin(), line.end(), line[0]) >= 3;
}

bool strip_heading(std::string_view& line) {
  std::size_t marks = 0;
  while (marks < 6 && scan::at(line, marks) == '#') ++marks;
  if (marks == 0 || !skip_mark(line, marks)) return false;
  while (!line.empty() && line.back() == '#') line.remove_suffix(1);
  line = scan::trim(line);
  return true;
}

bool is_bold_line(std::string_view line) {
  constexpr std::size_t kShortest = 5;
  for (const std::string_view mark : {"**", "__"}) {
    if (line.size() >= kShortest && line.starts_with(mark) && line.ends_with(mark) &&
        line.find(mark, 2) == line.size() - 2) {
      return true;
    }
  }
  return false;
}

void strip_quotes(std::string_view& line) {
  while (!line.empty() && line.front() == '>') line = scan::trim(line.substr(1));
}

bool strip_bullet(std::string_view& line) {
  constexpr std::string_view kAscii = "-*+";
  if (!line.empty() && scan::is_one_of(line[0], kAscii))
    return line.size() > 1 && skip_mark(line, 1);
  for (const std::string_view bullet : {"•", "◦", "▪", "‣", "·", "●", "○", "■", "–", "—"}) {
    if (line.starts_with(bullet) && line.size() > bullet.size()) {
      if (bullet != "•" && line[bullet.size()] != ' ') return false;
      line = scan::trim(line.substr(bullet.size()));
      return true;
    }
  }
  return false;
}

void strip_task_box(std::string_view& line) {
  for (const std::string_view box : {"[ ] ", "[x] ", "[X] "}) {
    if (line.starts_with(box)) line = scan::trim(line.substr(box.size()));
  }
}

/// `12. ` or `12) `: the length of the number; 0 where the line has none.
std::size_t item_number(std::string_view line) {
  std::size_t digits = 0;
  while (digits < 3 && scan::is_digit(scan::at(line, digits))) ++digits;
  if (digits == 0 || !scan::is_one_of(scan::at(line, digits), ".)")) return 0;
  return line.size() > digits + 2 && line[digits + 1] == ' ' ? digits : 0;
}

struct Option {
  char letter = '\0';          ///< NUL where the line is no option.
  std::string_view text = {};  ///< What stands behind the letter.
};

/// `A. cat`, `A) cat`, `(A) cat`, `A: cat`.
Option read_option(std::string_view line) {
  const bool bracket = scan::at(line, 0) == '(';
  const std::size_t at = bracket ? 1 : 0;
  const char letter = scan::at(line, at);
  const char mark = scan::at(line, at + 1);
  if (!scan::is_alpha(letter) || !scan::is_one_of(mark, bracket ? ")" : ".):")) return {};
  if (scan::is_lower(letter) && mark != ')') return {};
  const std::string_view text = scan::trim(line.substr(at + 2));
  if (text.empty() || (scan::at(line, at + 2) != ' ' && !bracket)) return {};
  return {letter, text};
}

/// Rewrites options. One letter alone is no list ("A. Smith wrote it."): its neighbour in the
/// alphabet must stand on the line before or behind, blank lines aside.
void rewrite_options(std::vector<Line>& lines) {
  std::vector<std::pair<Line*, char>> filled;
  for (Line& line : lines) {
    if (line.kind != Kind::kBlank) filled.emplace_back(&line, read_option(line.text).letter);
  }
  for (std::size_t i = 0; i < filled.size(); ++i) {
    const auto [line, letter] = filled[i];
    if (letter == '\0') continue;
    const bool after = i > 0 && filled[i - 1].second == letter - 1 && letter - 1 != '\0';
    const bool before = i + 1 < filled.size() && filled[i + 1].second == letter + 1;
    if (!after && !before) continue;
    const std::string text(read_option(line->text).text);
    line->text = std::string{letter, '.', ' '} + text;
    line->kind = Kind::kSentence;
  }
}

/// What becomes of a run of emphasis marks between two characters (NUL at an end of the line).
std::string_view spoken_run(char mark, std::size_t length, char before, char after) {
  const bool joins = scan::is_alnum(before) && scan::is_alnum(after);
  const bool open_left = before == '\0' || before == ' ';
  const bool open_right = after == '\0' || after == ' ';
  switch (mark) {
    case '*':
      if (length == 1 && (joins || (before == ' ' && after == ' '))) return "*";
      return joins ? " " : "";
    case '_':
      return joins || (open_left && open_right) ? " " : "";
    case '~':
      return length >= 2 ? "" : "~";
    case '|':
      return " ";
    default:
      return "";
  }
}

std::string strip_emphasis(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size();) {
    const char c = line[i];
    const char next = scan::at(line, i + 1);
    if (c == '\\' && next != '\0' && !scan::is_alnum(next) && next > ' ' && scan::is_ascii(next)) {
      out.push_back(next);
      i += 2;
      continue;
    }
    if (!scan::is_one_of(c, "*_~|`")) {
      out.push_back(c);
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < line.size() && line[end] == c) ++end;
    out.append(spoken_run(c, end - i, i > 0 ? line[i - 1] : '\0', scan::at(line, end)));
    i = end;
  }
  return out;
}

Line read_line(std::string_view original, const CleanOptions& options) {
  std::string_view text = scan::trim(original);
  Kind kind = Kind::kPlain;
  if (options.markdown) {
    strip_quotes(text);
    if (is_rule(text)) text = {};
    if (strip_heading(text) || is_bold_line(text)) kind = Kind::kSentence;
  }
  if (options.lists) {
    while (strip_bullet(text)) kind = Kind::kSentence;
    if (kind == Kind::kSentence) strip_task_box(text);
  }
  std::string content(text);
  if (const std::size_t digits = options.lists ? item_number(text) : 0; digits > 0) {
    content[digits] = '.';
    kind = Kind::kSentence;
  }
  if (options.markdown) content = strip_emphasis(content);
  if (scan::trim(content).empty()) kind = Kind::kBlank;
  return {std::string(scan::trim(content)), kind};
}

bool is_han_or_kana(std::int32_t c) {
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(c, &status);
  return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA;
}

/// The full stop that the line needs to be a sentence; empty where it ends with punctuation,
/// brackets and quotes aside.
std::string_view missing_stop(std::string_view line) {
  std::size_t end = line.size();
  while (end > 0) {
    const auto [c, length] = scan::decode_before(line, end);
    if (c < 0) return {};
    const int type = u_charType(c);
    const bool closes = type == U_END_PUNCTUATION || type == U_FINAL_PUNCTUATION ||
                        type == U_INITIAL_PUNCTUATION || c == '"' || c == '\'';
    if (!closes) {
      const bool sign = c < 0x80 && scan::is_one_of(static_cast<char>(c), "%$+*#&=/@");
      if (!u_isalnum(c) && !sign) return {};
      return is_han_or_kana(c) ? "。" : ".";
    }
    end -= length;
  }
  return {};
}

bool begins_with_capital(std::string_view text) {
  if (text.empty()) return false;
  const std::int32_t c = scan::decode(text, 0).value;
  return c >= 0 && (u_isUUppercase(c) || scan::is_one_of(text[0], "\"'("));
}

/// Whether a sentence ends with line `i`, the next line with text being `next` (the number of lines
/// where there is none).
bool ends_sentence(const std::vector<Line>& lines, std::size_t i, std::size_t next) {
  if (lines[i].kind == Kind::kSentence) return true;
  if (next == lines.size()) return false;
  if (next > i + 1 || lines[next].kind == Kind::kSentence) return true;
  return lines[i].text.size() < kShortLine && begins_with_capital(lines[next].text);
}

std::string join(const std::vector<Line>& lines) {
  std::string out;
  for (std::size_t i = 0; i < lines.size();) {
    std::size_t next = i + 1;
    while (next < lines.size() && lines[next].kind == Kind::kBlank) ++next;
    if (lines[i].kind != Kind::kBlank) {
      out.append(lines[i].text);
      if (ends_sentence(lines, i, next)) out.append(missing_stop(lines[i].text));
      if (next < lines.size()) out.push_back(' ');
    }
    i = next;
  }
  return out;
}

/// With the line ends kept as they are.
std::string join_unfolded(const std::vector<Line>& lines) {
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.push_back('\n');
    out.append(lines[i].text);
    if (lines[i].kind == Kind::kSentence) out.append(missing_stop(lines[i].text));
  }
  return out;
}

constexpr std::string_view kMarks = ".,;:!?";
constexpr std::string_view kLightMarks = ".,;:";

char opener_of(char c) {
  switch (c) {
    case ')':
      return '(';
    case ']':
      return '[';
    case '}':
      return '{';
    default:
      return '\0';
  }
}

/// Puts text together piece by piece with single spaces, and with the tidying of what the removals
/// left.
class Folder {
 public:
  explicit Folder(std::size_t size) { out_.reserve(size); }

  void space() { pending_ = true; }

  void character(char c) {
    const char opener = opener_of(c);
    if (opener != '\0' && last() == opener) {
      out_.pop_back();  // Brackets around nothing.
      pending_ = true;
      return;
    }
    flush();
    out_.push_back(c);
  }

  /// A run of punctuation; `free` where nothing is attached to its end.
  void marks(std::string_view run, bool free) {
    const bool light = run.find_first_not_of(kLightMarks) == scan::kNone;
    const bool orphan = out_.empty() || scan::is_one_of(last(), "([{");
    if (free && light && orphan) {
      pending_ = false;
      return;
    }
    if (!free) flush();
    pending_ = false;
    // A full stop or question mark makes the comma or colon before it idle.
    if (free && scan::is_one_of(run.front(), ".!?")) {
      while (!out_.empty() && scan::is_one_of(out_.back(), ",;:")) out_.pop_back();
    }
    out_.append(run);
  }

  std::string take() { return std::move(out_); }

 private:
  char last() const { return out_.empty() ? '\0' : out_.back(); }

  void flush() {
    if (pending_ && !out_.empty() && out_.back() != ' ') out_.push_back(' ');
    pending_ = false;
  }

  std::string out_;
  bool pending_ = false;
};

}  // namespace

std::string flatten_lines(std::string_view text, const CleanOptions& options) {
  std::vector<Line> lines;
  scan::Lines reader(text);
  for (std::string_view line; reader.next(line);) lines.push_back(read_line(line, options));
  if (options.options) rewrite_options(lines);
  return options.whitespace ? join(lines) : join_unfolded(lines);
}

std::string fold_white_space(std::string_view text) {
  Folder folder(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (scan::is_space(text[i])) {
      folder.space();
      ++i;
    } else if (scan::is_one_of(text[i], kMarks)) {
      const std::size_t end = std::min(text.find_first_not_of(kMarks, i), text.size());
      const char behind = scan::at(text, end);
      const bool free = behind == '\0' || scan::is_space(behind) || opener_of(behind) != '\0';
      folder.marks(text.substr(i, end - i), free);
      i = end;
    } else {
      folder.character(text[i++]);
    }
  }
  return folder.take();
}

}  // namespace flowtts::clean
