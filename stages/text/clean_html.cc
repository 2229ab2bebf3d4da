#include <algorithm>
#include <array>
#include <charconv>

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts::clean {
namespace {

constexpr std::size_t kLongestTag = 2000;

constexpr std::array<std::string_view, 27> kBlockTags = {
    "address", "article", "aside",  "blockquote", "body", "br",  "caption", "dd",    "div",
    "dl",      "dt",      "footer", "h1",         "h2",   "h3",  "h4",      "h5",    "h6",
    "header",  "hr",      "html",   "ol",         "p",    "pre", "section", "title", "ul"};

constexpr std::array<std::string_view, 29> kInlineTags = {
    "a",      "abbr", "b",   "big", "cite", "code", "del", "em",    "font", "i",
    "img",    "ins",  "kbd", "li",  "mark", "q",    "s",   "small", "span", "strike",
    "strong", "sub",  "sup", "td",  "th",   "tr",   "tt",  "u",     "var"};

/// Of these the content goes as well.
constexpr std::array<std::string_view, 4> kHiddenTags = {"script", "style", "head", "svg"};

struct Entity {
  std::string_view name;
  std::int32_t code_point;
};

constexpr std::array<Entity, 46> kEntities = {{
    {"amp", '&'},       {"apos", '\''},    {"bull", 0x2022},  {"cent", 0xA2},    {"copy", 0xA9},
    {"deg", 0xB0},      {"divide", 0xF7},  {"eacute", 0xE9},  {"egrave", 0xE8},  {"euro", 0x20AC},
    {"frac12", 0xBD},   {"frac14", 0xBC},  {"frac34", 0xBE},  {"ge", 0x2265},    {"gt", '>'},
    {"hellip", 0x2026}, {"iexcl", 0xA1},   {"infin", 0x221E}, {"iquest", 0xBF},  {"laquo", 0xAB},
    {"larr", 0x2190},   {"ldquo", 0x201C}, {"le", 0x2264},    {"lsquo", 0x2018}, {"lt", '<'},
    {"mdash", 0x2014},  {"middot", 0xB7},  {"minus", 0x2212}, {"nbsp", ' '},     {"ndash", 0x2013},
    {"ne", 0x2260},     {"ntilde", 0xF1},  {"ouml", 0xF6},    {"para", 0xB6},    {"plusmn", 0xB1},
    {"pound", 0xA3},    {"quot", '"'},     {"raquo", 0xBB},   {"rarr", 0x2192},  {"rdquo", 0x201D},
    {"reg", 0xAE},      {"rsquo", 0x2019}, {"sect", 0xA7},    {"times", 0xD7},   {"trade", 0x2122},
    {"uuml", 0xFC},
}};

template <class Range>
bool contains(const Range& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct Tag {
  std::string name;  ///< Lower case; empty where there is no tag.
  bool closing = false;
  std::size_t end = 0;  ///< Behind its '>'.
};

/// Reads the tag at `text[begin] == '<'`. A name that HTML knows may have anything behind it;
/// another (`<unk>`, `<ref>`) only attributes, so that "x <y and z> 2" is not one.
Tag read_tag(std::string_view text, std::size_t begin, scan::Finder& opens, scan::Finder& closes) {
  const std::size_t close = closes.next(begin);
  if (close == scan::kNone || close - begin > kLongestTag) return {};
  if (opens.next(begin + 1) < close) return {};
  std::string_view inside = text.substr(begin + 1, close - begin - 1);
  Tag tag;
  tag.end = close + 1;
  if (!inside.empty() && inside.front() == '/') {
    tag.closing = true;
    inside.remove_prefix(1);
  }
  if (inside.empty() || !scan::is_alpha(inside.front())) return {};
  std::size_t length = 0;
  while (length < inside.size() &&
         (scan::is_alnum(inside[length]) || scan::is_one_of(inside[length], "-_"))) {
    ++length;
  }
  std::string name = scan::lower(inside.substr(0, length));
  std::string_view rest = scan::trim(inside.substr(length));
  if (!rest.empty() && rest.back() == '/') rest = scan::trim(rest.substr(0, rest.size() - 1));
  const bool known = contains(kBlockTags, name) || contains(kInlineTags, name);
  if (!rest.empty() && !scan::is_space(inside[length]) && inside[length] != '/') return {};
  if (!rest.empty() && !known && rest.find('=') == scan::kNone) return {};
  tag.name = std::move(name);
  return tag;
}

void append_for_tag(std::string& out, const Tag& tag) {
  if (tag.name == "li") {
    out.append(tag.closing ? "\n" : "\n- ");
  } else if (contains(kBlockTags, tag.name)) {
    out.push_back('\n');
  } else if (!contains(kInlineTags, tag.name)) {
    out.push_back(' ');
  }
}

std::int32_t numeric_entity(std::string_view digits, int base) {
  std::int32_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return -1;
  const bool valid = value >= ' ' && value <= 0x10FFFF && !(value >= 0xD800 && value <= 0xDFFF);
  return valid ? value : -1;
}

/// Reads the entity at `text[begin] == '&'`. Its length is 0 where there is none.
scan::CodePoint read_entity(std::string_view text, std::size_t begin) {
  constexpr std::size_t kLongest = 10;
  const std::size_t end = text.substr(begin, kLongest).find(';');
  if (end == scan::kNone) return {-1, 0};
  const std::string_view name = text.substr(begin + 1, end - 1);
  if (name.size() > 1 && name[0] == '#') {
    const bool hex = name[1] == 'x' || name[1] == 'X';
    const std::int32_t value = numeric_entity(name.substr(hex ? 2 : 1), hex ? 16 : 10);
    return {value, value < 0 ? 0 : end + 1};
  }
  for (const Entity& entity : kEntities) {
    if (entity.name == name) return {entity.code_point, end + 1};
  }
  return {-1, 0};
}

/// Finds the ends of what scripts and the like hide.
class HiddenContent {
 public:
  explicit HiddenContent(std::string_view text)
      : text_(text),
        ends_{scan::Finder(text, "</script>"), scan::Finder(text, "</style>"),
              scan::Finder(text, "</head>"), scan::Finder(text, "</svg>")} {}

  /// Behind the closing tag; behind the opening one where it is never closed, as in a question
  /// about it.
  std::size_t end(const Tag& tag) {
    for (std::size_t i = 0; i < kHiddenTags.size(); ++i) {
      if (tag.closing || kHiddenTags[i] != tag.name) continue;
      const std::size_t close = ends_[i].next(tag.end);
      return close == scan::kNone ? tag.end : text_.find('>', close) + 1;
    }
    return tag.end;
  }

 private:
  std::string_view text_;
  std::array<scan::Finder, kHiddenTags.size()> ends_;
};

}  // namespace

std::string remove_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  scan::Finder opens(text, "<");
  scan::Finder closes(text, ">");
  scan::Finder comment_ends(text, "-->");
  HiddenContent hidden(text);
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '&') {
      const auto [value, length] = read_entity(text, i);
      if (length == 0) {
        out.push_back(text[i++]);
      } else {
        scan::append(out, value);
        i += length;
      }
      continue;
    }
    if (text[i] != '<') {
      out.push_back(text[i++]);
      continue;
    }
    if (text.substr(i, 4) == "<!--") {
      const std::size_t end = comment_ends.next(i);
      i = end == scan::kNone ? i + 4 : end + 3;
      continue;
    }
    const Tag tag = read_tag(text, i, opens, closes);
    if (tag.name.empty()) {
      out.push_back(text[i++]);
    } else {
      append_for_tag(out, tag);
      i = hidden.end(tag);
    }
  }
  return out;
}

std::string remove_html_tables(std::string_view text) {
  constexpr std::string_view kClose = "</table>";
  scan::Finder closes(text, kClose);
  std::string out;
  std::size_t kept = 0;
  for (std::size_t i = text.find('<'); i != scan::kNone; i = text.find('<', i)) {
    const std::string_view rest = text.substr(i, 7);
    const bool opens =
        scan::starts_with_ignoring_case(rest, "<table") && !scan::is_alnum(scan::at(rest, 6));
    const std::size_t close = opens ? closes.next(i) : scan::kNone;
    if (close == scan::kNone) {
      ++i;
      continue;
    }
    out.append(text.substr(kept, i - kept)).append("\n\n");
    kept = i = close + kClose.size();
  }
  return out.append(text.substr(kept));
}

}  // namespace flowtts::clean
