#include "stages/text/clause_cutter.h"

#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <array>
#include <string>

#include "stages/text/scan.h"

namespace flowtts {
namespace {

/// How good a place for a cut is.
enum class Strength { kClause, kComma, kConjunction, kWord, kInside };

constexpr auto kConjunctions = std::to_array<std::u16string_view>(
    {u"after", u"although", u"and",    u"as",    u"because", u"before", u"but",
     u"if",    u"nor",      u"or",     u"since", u"so",      u"than",   u"that",
     u"then",  u"though",   u"unless", u"until", u"when",    u"where",  u"whereas",
     u"which", u"while",    u"who",    u"yet"});

constexpr std::u16string_view kClauseMarks = u";:.!?)]\u2013\u2014\u2026";
constexpr std::u16string_view kWideClauseMarks = u"\u2014\u3002\uFF01\uFF1A\uFF1B\uFF1F";
constexpr std::u16string_view kWideCommas = u"\uFF0C\u3001";

bool contains_any(std::u16string_view text, std::u16string_view set) {
  return text.find_first_of(set) != std::u16string_view::npos;
}

bool is_white_space(char16_t c) { return u_isUWhiteSpace(c) != 0; }

std::u16string_view part(std::u16string_view text, TextRange range) {
  return text.substr(range.begin, range.end - range.begin);
}

bool is_conjunction(std::u16string_view word) {
  std::u16string lower(word);
  for (char16_t& c : lower) {
    if (c >= u'A' && c <= u'Z') c = static_cast<char16_t>(c - u'A' + u'a');
  }
  return std::find(kConjunctions.begin(), kConjunctions.end(), lower) != kConjunctions.end();
}

bool has_word(std::u16string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U16_NEXT(text.data(), i, text.size(), c);
    if (scan::is_letter_or_digit(c)) return true;
  }
  return false;
}

struct Cut {
  std::size_t position;  ///< Where the next piece begins.
  Strength strength;
};

/// The cut between two words, given what stands between them (`gap`, from `begin`) and the word
/// behind it. It lies behind the last white space, so that an opening quote goes with its word, and
/// else behind the marks that belong to the word before.
Cut cut_in_gap(std::u16string_view gap, std::size_t begin, std::u16string_view next) {
  const auto space = std::find_if(gap.rbegin(), gap.rend(), is_white_space);
  const std::size_t position = space == gap.rend()
                                   ? begin + gap.size()
                                   : begin + static_cast<std::size_t>(gap.rend() - space);
  const bool spaced = space != gap.rend();
  const bool dash = gap.find(u" - ") != std::u16string_view::npos;
  if (dash || (spaced && contains_any(gap, kClauseMarks)) || contains_any(gap, kWideClauseMarks)) {
    return {position, Strength::kClause};
  }
  if ((spaced && contains_any(gap, u",")) || contains_any(gap, kWideCommas)) {
    return {position, Strength::kComma};
  }
  if (!spaced) return {position, Strength::kInside};
  return {position, is_conjunction(next) ? Strength::kConjunction : Strength::kWord};
}

/// What a cut of this strength costs, in words away from an even division.
std::size_t penalty(Strength strength, std::size_t max_words) {
  switch (strength) {
    case Strength::kClause:
      return 0;
    case Strength::kComma:
      return max_words / 8;
    case Strength::kConjunction:
      return max_words / 4;
    case Strength::kWord:
      return max_words;
    case Strength::kInside:
      return 4 * max_words;
  }
  return 0;
}

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

icu::UnicodeString alias(std::u16string_view text) {
  return icu::UnicodeString(false, text.data(), static_cast<int32_t>(text.size()));
}

}  // namespace

std::vector<TextRange> ClauseCutter::find_words(icu::BreakIterator& words,
                                                std::u16string_view text) {
  const icu::UnicodeString string = alias(text);
  words.setText(string);
  std::vector<TextRange> found;
  std::size_t begin = 0;
  for (int32_t next = words.next(); next != icu::BreakIterator::DONE; next = words.next()) {
    const auto end = static_cast<std::size_t>(next);
    if (has_word(text.substr(begin, end - begin))) found.push_back({begin, end});
    begin = end;
  }
  return found;
}

void ClauseCutter::cut(std::u16string_view text, TextRange sentence,
                       std::vector<TextRange>& pieces) {
  const std::u16string_view own = part(text, sentence);
  const std::vector<TextRange> words = find_words(words_, own);
  if (words.size() <= max_words_ && own.size() <= max_units_) {
    pieces.push_back(sentence);
    return;
  }
  // A piece is looked at again on its own: without its neighbours, a dictionary may find other
  // words in it.
  for (const TextRange piece : cut_once(own, words)) {
    cut(text, {sentence.begin + piece.begin, sentence.begin + piece.end}, pieces);
  }
}

std::vector<TextRange> ClauseCutter::cut_once(std::u16string_view sentence,
                                              const std::vector<TextRange>& words) {
  std::vector<TextRange> pieces;
  std::size_t begin = 0;
  std::size_t first = 0;  // The first word that ends behind `begin`.
  for (;;) {
    const std::size_t left = words.size() - first;
    const std::size_t units = sentence.size() - begin;
    if (left <= max_words_ && units <= max_units_) break;
    const std::size_t count = std::max(divide_up(left, max_words_), divide_up(units, max_units_));
    const std::size_t ideal = divide_up(left, count);

    std::size_t best = 0;  // The cut's position; 0 where there is none.
    std::size_t best_cost = 0;
    for (std::size_t taken = std::max<std::size_t>(ideal / 2, 1);
         taken <= max_words_ && taken < left; ++taken) {
      const std::size_t next = first + taken;
      const TextRange gap{words[next - 1].end, words[next].begin};
      const Cut cut = cut_in_gap(part(sentence, gap), gap.begin, part(sentence, words[next]));
      if (cut.position - begin > max_units_) break;
      const std::size_t distance = taken > ideal ? taken - ideal : ideal - taken;
      const std::size_t cost = distance + penalty(cut.strength, max_words_);
      if (best == 0 || cost < best_cost) {
        best = cut.position;
        best_cost = cost;
      }
    }
    if (best <= begin) best = begin + grapheme_cut(sentence.substr(begin));
    pieces.push_back({begin, best});
    begin = best;
    while (first < words.size() && words[first].end <= begin) ++first;
  }
  pieces.push_back({begin, sentence.size()});
  return pieces;
}

/// The length of the longest beginning of `rest` that keeps the limit and ends between grapheme
/// clusters; between code points where one cluster is longer than all.
std::size_t ClauseCutter::grapheme_cut(std::u16string_view rest) {
  const std::u16string_view window = rest.substr(0, max_units_ + 1);
  if (window.size() <= max_units_) {
    // Too many words, but no gap between them: one code point at least, and less than all.
    return U16_IS_LEAD(window[0]) && window.size() > 1 && U16_IS_TRAIL(window[1]) ? 2 : 1;
  }
  const icu::UnicodeString string = alias(window);
  graphemes_.setText(string);
  const int32_t found = graphemes_.preceding(static_cast<int32_t>(window.size()));
  if (found > 0) return static_cast<std::size_t>(found);
  const bool inside_pair = U16_IS_TRAIL(window[max_units_]) && U16_IS_LEAD(window[max_units_ - 1]);
  return max_units_ - (inside_pair ? 1 : 0);
}

}  // namespace flowtts
