#include <algorithm>
#include <vector>

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts::clean {
namespace {

// Control characters are gone by now, so one of them can stand for a mark that is to vanish.
constexpr char kErased = '\x01';
constexpr std::size_t kLongestTarget = 2000;

std::string without_erased(std::string text) {
  std::erase(text, kErased);
  return text;
}

/// `|---|:--:|`, `+----+----+`: no letters, a dash, and a bar or plus.
bool is_table_rule(std::string_view line) {
  return !line.empty() && line.find_first_not_of("|-:+= ") == scan::kNone &&
         line.find('-') != scan::kNone && scan::contains_any(line, "|+");
}

bool is_table_row(std::string_view line) {
  return line.size() > 2 && line.front() == '|' && line.back() == '|';
}

struct TableLine {
  std::string_view text;
  bool in_table = false;
};

void mark_tables(std::vector<TableLine>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = scan::trim(lines[i].text);
    const bool rule = is_table_rule(line);
    const bool above = i > 0 && lines[i - 1].in_table;
    if (rule) {
      lines[i].in_table = true;
      // The heading stands above the rule.
      if (i > 0 && scan::contains_any(lines[i - 1].text, "|")) lines[i - 1].in_table = true;
    } else if (above && line.find('|') != scan::kNone) {
      lines[i].in_table = true;
    } else if (is_table_row(line) && i + 1 < lines.size() &&
               is_table_row(scan::trim(lines[i + 1].text))) {
      lines[i].in_table = true;
    }
  }
}

struct Bracket {
  std::size_t begin;  ///< Where '[' stands in the output.
  bool image;         ///< Whether '!' stands before it.
};

/// The end of a link's target at `text[open] == '('`, behind its ')'; kNone where it has none on
/// its line. Brackets in the target may be nested ("/wiki/Foo_(bar)").
std::size_t end_of_target(std::string_view text, std::size_t open, scan::Finder& closes,
                          scan::Finder& line_ends) {
  const std::size_t limit = std::min(line_ends.next(open), open + kLongestTarget);
  std::size_t close = closes.next(open);
  if (close == scan::kNone || close >= limit) return scan::kNone;
  int depth = 0;
  for (std::size_t i = open; i < text.size() && i < limit; ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && --depth == 0) return i + 1;
  }
  return close + 1;
}

bool is_footnote(std::string_view label) {
  constexpr std::size_t kLongest = 40;
  return label.size() > 1 && label.size() <= kLongest && label[0] == '^' &&
         label.find(' ') == scan::kNone;
}

/// `[1]: https://example.com`, which only serves links elsewhere.
bool is_link_definition(std::string_view line) {
  if (line.size() < 4 || line[0] != '[') return false;
  const std::size_t end = line.find("]: ");
  if (end == scan::kNone) return false;
  const std::string_view target = scan::trim(line.substr(end + 3));
  return target.starts_with("http://") || target.starts_with("https://") ||
         target.starts_with("<http");
}

std::string without_link_definitions(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool first = true;
  scan::Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    if (!first) out.push_back('\n');
    first = false;
    if (!is_link_definition(scan::trim(line))) out.append(line);
  }
  return out;
}

}  // namespace

std::string remove_markdown_tables(std::string_view text) {
  std::vector<TableLine> table_lines;
  scan::Lines lines(text);
  for (std::string_view line; lines.next(line);) table_lines.push_back({line});
  mark_tables(table_lines);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < table_lines.size(); ++i) {
    if (i > 0) out.push_back('\n');
    if (!table_lines[i].in_table) out.append(table_lines[i].text);
  }
  return out;
}

std::string unwrap_links(std::string_view original) {
  const std::string text = without_link_definitions(original);
  scan::Finder closes(text, ")");
  scan::Finder line_ends(text, "\n");
  std::vector<Bracket> open;
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i++];
    if (c == '[') open.push_back({out.size(), !out.empty() && out.back() == '!'});
    if (c == '\n') open.clear();
    if (c != ']' || open.empty()) {
      out.push_back(c);
      continue;
    }
    const Bracket bracket = open.back();
    open.pop_back();
    if (is_footnote(std::string_view(out).substr(bracket.begin + 1))) {
      out.resize(bracket.begin);
      continue;
    }
    const std::size_t end =
        scan::at(text, i) == '(' ? end_of_target(text, i, closes, line_ends) : scan::kNone;
    if (end == scan::kNone) {
      out.push_back(c);
      continue;
    }
    i = end;
    if (bracket.image) {
      out.resize(bracket.begin - 1);
    } else {
      out[bracket.begin] = kErased;
    }
  }
  return without_erased(std::move(out));
}

}  // namespace flowtts::clean
