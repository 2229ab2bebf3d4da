#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <unicode/brkiter.h>

namespace flowtts {

/// Where a piece of text begins and ends, in UTF-16 units.
struct TextRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Cuts a sentence into pieces that keep the limits; see SentenceSplitter for how.
///
/// Works on iterators that it borrows and changes: one object belongs to one call.
class ClauseCutter {
 public:
  ClauseCutter(icu::BreakIterator& words, icu::BreakIterator& graphemes, std::size_t max_words,
               std::size_t max_units)
      : words_(words), graphemes_(graphemes), max_words_(max_words), max_units_(max_units) {}

  /// Appends the pieces of `text[sentence]` to `pieces`, in order and without gaps.
  void cut(std::u16string_view text, TextRange sentence, std::vector<TextRange>& pieces);

  /// The words of a text that stands alone.
  static std::vector<TextRange> find_words(icu::BreakIterator& words, std::u16string_view text);

 private:
  std::vector<TextRange> cut_once(std::u16string_view sentence,
                                  const std::vector<TextRange>& words);
  std::size_t grapheme_cut(std::u16string_view rest);

  icu::BreakIterator& words_;
  icu::BreakIterator& graphemes_;
  std::size_t max_words_;
  std::size_t max_units_;
};

}  // namespace flowtts
