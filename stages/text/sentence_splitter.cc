#include "stages/text/sentence_splitter.h"

#include <unicode/brkiter.h>
#include <unicode/filteredbrk.h>
#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstdint>

#include "stages/text/abbreviations.h"
#include "stages/text/clause_cutter.h"
#include "stages/text/scan.h"

namespace flowtts {
namespace {

// ICU counts in 32 bits: a longer text is split block by block.
constexpr std::size_t kLongestBlock = std::size_t{1} << 30;

/// A text in UTF-16, with the byte at which each unit's character begins. Ill-formed bytes become
/// U+FFFD, so that every byte belongs to a unit.
struct WideText {
  std::u16string units;
  std::vector<std::uint32_t> bytes;  ///< One more than units: the last is the text's size.
};

WideText widen(std::string_view text) {
  WideText wide;
  wide.units.reserve(text.size());
  wide.bytes.reserve(text.size() + 1);
  const auto put = [&](std::int32_t unit, std::size_t byte) {
    wide.units.push_back(static_cast<char16_t>(unit));
    wide.bytes.push_back(static_cast<std::uint32_t>(byte));
  };
  for (std::size_t i = 0; i < text.size();) {
    const auto [value, length] = scan::decode(text, i);
    if (value < 0) {
      put(0xFFFD, i);
    } else if (value < 0x10000) {
      put(value, i);
    } else {
      put(0xD7C0 + (value >> 10), i);
      put(0xDC00 + (value & 0x3FF), i);
    }
    i += length;
  }
  wide.bytes.push_back(static_cast<std::uint32_t>(text.size()));
  return wide;
}

std::string_view bytes_of(std::string_view text, const WideText& wide, TextRange range) {
  const std::size_t begin = wide.bytes[range.begin];
  return text.substr(begin, wide.bytes[range.end] - begin);
}

bool is_language_tag(std::string_view tag) {
  const std::size_t language = std::min(tag.find_first_of("-_"), tag.size());
  return language >= 2 && language <= 8 && tag.size() <= 64 &&
         std::all_of(tag.begin(), tag.begin() + static_cast<std::ptrdiff_t>(language),
                     scan::is_alpha) &&
         std::all_of(tag.begin(), tag.end(),
                     [](char c) { return scan::is_alnum(c) || c == '-' || c == '_'; });
}

/// Pieces with their words, and with those joined that cannot be said alone.
class Joiner {
 public:
  Joiner(std::string_view text, std::size_t max_units) : text_(text), max_units_(max_units) {}

  void add(std::string_view piece, std::size_t units) {
    const bool speakable = scan::has_letter_or_digit(piece);
    if (!pieces_.empty()) {
      Piece& last = pieces_.back();
      // What has no letter has no word, so that only the characters can become too many.
      if ((!speakable || !last.speakable) && last.units + units <= max_units_) {
        last.size += piece.size();
        last.units += units;
        last.speakable |= speakable;
        return;
      }
    }
    pieces_.push_back({piece.size(), units, speakable});
  }

  std::vector<std::string> take() const {
    std::vector<std::string> result;
    std::size_t begin = 0;
    for (const Piece& piece : pieces_) {
      result.emplace_back(text_.substr(begin, piece.size));
      begin += piece.size;
    }
    return result;
  }

 private:
  struct Piece {
    std::size_t size;
    std::size_t units;
    bool speakable;
  };

  std::string_view text_;
  std::size_t max_units_;
  std::vector<Piece> pieces_;
};

/// The length of the first block of `text`, which ends between characters.
std::size_t block_length(std::string_view text) {
  if (text.size() <= kLongestBlock) return text.size();
  std::size_t length = kLongestBlock;
  while (length > kLongestBlock - 4 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) {
    --length;
  }
  return length;
}

using Iterator = std::unique_ptr<icu::BreakIterator>;

Iterator sentence_iterator(const icu::Locale& locale, bool english, UErrorCode& status) {
  Iterator plain(icu::BreakIterator::createSentenceInstance(locale, status));
  if (english || U_FAILURE(status)) return plain;
  UErrorCode without_exceptions = U_ZERO_ERROR;  // Chinese and Japanese have none.
  const std::unique_ptr<icu::FilteredBreakIteratorBuilder> builder(
      icu::FilteredBreakIteratorBuilder::createInstance(locale, without_exceptions));
  if (U_FAILURE(without_exceptions)) return plain;
  return Iterator(builder->build(plain.release(), status));
}

}  // namespace

struct SentenceSplitter::Iterators {
  Iterator sentences;
  Iterator words;
  Iterator graphemes;
  bool english = false;

  std::vector<TextRange> find_sentences(std::u16string_view text) const {
    const icu::UnicodeString string(false, text.data(), static_cast<int32_t>(text.size()));
    const Iterator iterator(sentences->clone());
    iterator->setText(string);
    std::vector<TextRange> found;
    std::size_t begin = 0;
    for (int32_t next = iterator->next(); next != icu::BreakIterator::DONE;
         next = iterator->next()) {
      const auto end = static_cast<std::size_t>(next);
      if (english && end < text.size() && goes_on_in_english(text, begin, end)) continue;
      found.push_back({begin, end});
      begin = end;
    }
    return found;
  }
};

Result<SentenceSplitter> SentenceSplitter::create(std::string_view language) {
  if (!is_language_tag(language)) {
    return Error{"unknown_language", "'" + std::string(language) +
                                         "' is no language tag; allowed are tags such as en, de "
                                         "or zh-Hans"};
  }
  const icu::Locale locale(std::string(language).c_str());
  auto iterators = std::make_unique<Iterators>();
  UErrorCode status = U_ZERO_ERROR;
  iterators->english = std::string_view(locale.getLanguage()) == "en";
  iterators->sentences = sentence_iterator(locale, iterators->english, status);
  iterators->words.reset(icu::BreakIterator::createWordInstance(locale, status));
  iterators->graphemes.reset(icu::BreakIterator::createCharacterInstance(locale, status));
  if (U_FAILURE(status)) {
    return Error{"icu_data", std::string("ICU has no rules for breaking text: ") +
                                 u_errorName(status) + "; is its data package installed?"};
  }
  return SentenceSplitter(std::move(iterators));
}

SentenceSplitter::SentenceSplitter(std::unique_ptr<const Iterators> iterators)
    : iterators_(std::move(iterators)) {}
SentenceSplitter::SentenceSplitter(SentenceSplitter&&) noexcept = default;
SentenceSplitter& SentenceSplitter::operator=(SentenceSplitter&&) noexcept = default;
SentenceSplitter::~SentenceSplitter() = default;

int SentenceSplitter::max_characters(int max_words) {
  constexpr int kFewest = 1000;
  constexpr int kPerWord = 25;
  return std::max(kFewest, kPerWord * max_words);
}

std::vector<std::string> SentenceSplitter::split(std::string_view text, int max_words) const {
  const auto max_units = static_cast<std::size_t>(max_characters(max_words));
  const Iterator words(iterators_->words->clone());
  const Iterator graphemes(iterators_->graphemes->clone());
  ClauseCutter cutter(*words, *graphemes, static_cast<std::size_t>(std::max(max_words, 1)),
                      max_units);
  Joiner joiner(text, max_units);
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view block = rest.substr(0, block_length(rest));
    rest.remove_prefix(block.size());
    const WideText wide = widen(block);
    std::vector<TextRange> ranges;
    for (const TextRange sentence : iterators_->find_sentences(wide.units)) {
      cutter.cut(wide.units, sentence, ranges);
    }
    for (const TextRange range : ranges) {
      joiner.add(bytes_of(block, wide, range), range.end - range.begin);
    }
  }
  return joiner.take();
}

int SentenceSplitter::count_words(std::string_view text) const {
  const Iterator words(iterators_->words->clone());
  std::size_t count = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view block = rest.substr(0, block_length(rest));
    rest.remove_prefix(block.size());
    count += ClauseCutter::find_words(*words, widen(block).units).size();
  }
  return static_cast<int>(std::min<std::size_t>(count, INT32_MAX));
}

}  // namespace flowtts
