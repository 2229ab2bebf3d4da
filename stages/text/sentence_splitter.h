#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

/// Splits a text into sentences, and sentences that are too long into clauses.
///
/// Sentences end where ICU's rules say, abbreviations respected (abbreviations.h for English, ICU's
/// exceptions for a language that has them). Words are ICU's, those of its dictionaries for
/// Chinese, Japanese, Thai and others that write no spaces; only what has a letter or a number is a
/// word. Immutable after `create`, and safe from any number of threads at once: each call works on
/// its own copies of the iterators.
class SentenceSplitter {
 public:
  /// `language` is a BCP 47 tag such as "en" or "zh-Hans". An error where it is none or where ICU's
  /// data are missing.
  static Result<SentenceSplitter> create(std::string_view language = "en");

  SentenceSplitter(SentenceSplitter&&) noexcept;
  SentenceSplitter& operator=(SentenceSplitter&&) noexcept;
  ~SentenceSplitter();

  /// The pieces of `text`, which joined give `text` byte for byte, ill-formed UTF-8 included. None
  /// is empty; none has more than `max_words` (at least 1) words or more than
  /// `max_characters(max_words)` UTF-16 units.
  ///
  /// A sentence beyond the limit is cut at the clause boundary that divides it most evenly: after a
  /// semicolon, colon or dash, else after a comma, else before a conjunction, else between words,
  /// and inside a word (between grapheme clusters) only where the word alone is too long. A piece
  /// without a letter or number is joined to the one before it or, where that is full, the one
  /// behind it. The time is linear in the length of the text.
  std::vector<std::string> split(std::string_view text, int max_words) const;

  int count_words(std::string_view text) const;

  /// No word that anybody says is as long as this; a run of symbols or of letters without a space
  /// may be.
  static int max_characters(int max_words);

 private:
  struct Iterators;
  explicit SentenceSplitter(std::unique_ptr<const Iterators> iterators);

  std::unique_ptr<const Iterators> iterators_;
};

}  // namespace flowtts
