#include "stages/text/abbreviations.h"

#include <algorithm>
#include <array>
#include <string>

#include "stages/text/scan.h"

namespace flowtts {
namespace {

constexpr std::size_t kLongestToken = 12;

/// They never end a sentence.
constexpr auto kAlways = std::to_array<std::string_view>(
    {"adm", "approx", "brig", "capt", "cf",  "cmdr", "col",  "cpl",  "dr",     "e.g",
     "fig", "figs",   "gen",  "gov",  "hon", "i.e",  "lt",   "maj",  "messrs", "mlle",
     "mme", "mr",     "mrs",  "ms",   "mt",  "pres", "prof", "pvt",  "rep",    "rev",
     "sen", "sgt",    "st",   "supt", "viz", "vs",   "resp", "incl", "esp",    "w.r.t"});

/// They go on where a number follows; "No." and "Sat." are sentences, too.
constexpr auto kBeforeNumber = std::to_array<std::string_view>(
    {"apr", "art", "aug", "ch",  "chap", "dec", "eq",  "eqs", "ex", "feb",
     "jan", "jul", "jun", "mar", "no",   "nos", "nov", "oct", "op", "p",
     "par", "pp",  "sec", "sep", "sept", "tab", "vol", "vols"});

/// They may end a sentence.
constexpr auto kSometimes =
    std::to_array<std::string_view>({"al", "ave", "blvd", "bros", "ca", "co", "corp", "dept", "ed",
                                     "eds", "est", "etc", "inc", "jr", "ltd", "rd", "sr", "univ"});

/// Words with which a sentence rather begins than goes on after an abbreviation.
constexpr auto kStarters = std::to_array<std::string_view>(
    {"a",     "all",   "also",  "an",    "and",  "another", "are",     "as",      "at",    "both",
     "but",   "by",    "can",   "did",   "do",   "does",    "each",    "finally", "first", "for",
     "from",  "he",    "her",   "here",  "his",  "how",     "however", "i",       "if",    "in",
     "is",    "it",    "its",   "many",  "my",   "no",      "now",     "on",      "one",   "other",
     "our",   "she",   "so",    "some",  "such", "that",    "the",     "their",   "then",  "there",
     "these", "they",  "this",  "those", "to",   "was",     "we",      "were",    "what",  "when",
     "where", "which", "while", "who",   "why",  "will",    "with",    "yes",     "you",   "your"});

template <class List>
bool contains(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

constexpr char narrow(char16_t c) { return c < 0x80 ? static_cast<char>(c) : '\0'; }
constexpr bool is_blank(char16_t c) {
  return c == u' ' || c == u'\t' || c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200A);
}
constexpr bool is_closing(char16_t c) {
  return c == u'"' || c == u'\'' || c == u')' || c == u']' || c == 0x2019 || c == 0x201D;
}
constexpr bool is_opening(char16_t c) {
  return c == u'"' || c == u'\'' || c == u'(' || c == u'[' || c == 0x2018 || c == 0x201C;
}

/// The ASCII letters, and dots between them, that end before `end`; empty where the word is longer
/// than any abbreviation or holds other characters.
std::string token_before(std::u16string_view text, std::size_t begin, std::size_t end) {
  std::size_t first = end;
  while (first > begin && end - first <= kLongestToken &&
         (scan::is_alpha(narrow(text[first - 1])) || text[first - 1] == u'.')) {
    --first;
  }
  if (end - first > kLongestToken) return {};
  if (first > begin && !is_blank(text[first - 1]) && !is_opening(text[first - 1]) &&
      text[first - 1] != u'-' && text[first - 1] != u'\n') {
    return {};
  }
  std::string token;
  for (std::size_t i = first; i < end; ++i) token.push_back(narrow(text[i]));
  return token;
}

/// Whether the number of an item, of three digits at most, stands before `end`: at the beginning
/// of the sentence or behind the colon of what announces the items.
bool is_item_number(std::u16string_view text, std::size_t begin, std::size_t end) {
  std::size_t first = end;
  while (first > begin && end - first <= 3 && scan::is_digit(narrow(text[first - 1]))) --first;
  if (first == end || end - first > 3) return false;
  const std::size_t number = first;
  while (first > begin && (is_blank(text[first - 1]) || text[first - 1] == u'\n')) --first;
  return first == begin || (first < number && text[first - 1] == u':');
}

struct NextWord {
  std::string lower;     ///< Empty where no ASCII letter stands there.
  bool number = false;   ///< Whether it begins with a digit.
  bool initial = false;  ///< Whether it is one letter and a full stop.
};

NextWord word_after(std::u16string_view text, std::size_t at) {
  while (at < text.size() && is_opening(text[at])) ++at;
  NextWord word;
  word.number = at < text.size() && scan::is_digit(narrow(text[at]));
  while (at < text.size() && word.lower.size() <= kLongestToken &&
         scan::is_alpha(narrow(text[at]))) {
    word.lower.push_back(scan::to_lower(narrow(text[at++])));
  }
  word.initial = word.lower.size() == 1 && at < text.size() && text[at] == u'.';
  return word;
}

bool goes_on_after(const std::string& token, const NextWord& next) {
  const std::string lower = scan::lower(token);
  if (contains(kAlways, lower)) return true;
  if (contains(kBeforeNumber, lower) && next.number) return true;
  const bool starter = contains(kStarters, next.lower) && !next.initial;
  if (token == "I") return next.initial;  // Rather the pronoun.
  const bool initial = token.size() == 1 && scan::is_upper(token[0]);
  const bool dotted = lower.find('.') != std::string::npos && lower.front() != '.';
  return !starter && (initial || dotted || contains(kSometimes, lower));
}

}  // namespace

bool goes_on_in_english(std::u16string_view text, std::size_t begin, std::size_t boundary) {
  std::size_t end = boundary;
  while (end > begin && is_blank(text[end - 1])) --end;
  if (end == boundary && boundary == text.size()) return false;
  while (end > begin && is_closing(text[end - 1])) --end;
  if (end == begin || text[end - 1] != u'.') return false;
  --end;
  if (is_item_number(text, begin, end)) return true;
  const std::string token = token_before(text, begin, end);
  return !token.empty() && goes_on_after(token, word_after(text, boundary));
}

}  // namespace flowtts
