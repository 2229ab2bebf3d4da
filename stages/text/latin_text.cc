#include "stages/text/latin_text.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "stages/text/scan.h"

namespace flowtts {
namespace {

struct Spelling {
  std::int32_t code_point;
  std::string_view ascii;
};

/// What compatibility decomposition does not spell, sorted by code point. A word has spaces around
/// it.
constexpr auto kSpellings = std::to_array<Spelling>({
    {0xA2, " cents "},
    {0xA3, " pounds "},
    {0xA5, " yen "},
    {0xA9, " copyright "},
    {0xAB, "\""},
    {0xB0, " degrees "},
    {0xB1, " plus or minus "},
    {0xB7, " "},
    {0xBB, "\""},
    {0xC6, "AE"},
    {0xD0, "D"},
    {0xD7, " times "},
    {0xD8, "O"},
    {0xDE, "Th"},
    {0xDF, "ss"},
    {0xE6, "ae"},
    {0xF0, "d"},
    {0xF7, " divided by "},
    {0xF8, "o"},
    {0xFE, "th"},
    {0x110, "D"},
    {0x111, "d"},
    {0x126, "H"},
    {0x127, "h"},
    {0x131, "i"},
    {0x138, "k"},
    {0x141, "L"},
    {0x142, "l"},
    {0x14A, "Ng"},
    {0x14B, "ng"},
    {0x152, "OE"},
    {0x153, "oe"},
    {0x18F, "A"},
    {0x259, "a"},
    {0x1E9E, "SS"},
    {0x2010, "-"},
    {0x2011, "-"},
    {0x2012, "-"},
    {0x2015, ", "},
    {0x2018, "'"},
    {0x2019, "'"},
    {0x201A, "'"},
    {0x201B, "'"},
    {0x201C, "\""},
    {0x201D, "\""},
    {0x201E, "\""},
    {0x201F, "\""},
    {0x2022, ", "},
    {0x2032, "'"},
    {0x2033, "\""},
    {0x2039, "'"},
    {0x203A, "'"},
    {0x2044, "/"},
    {0x20AC, " euros "},
    {0x2190, " "},
    {0x2192, " to "},
    {0x2212, "-"},
    {0x221E, " infinity "},
    {0x2248, " approximately "},
    {0x2260, " is not equal to "},
    {0x2264, " is less than or equal to "},
    {0x2265, " is greater than or equal to "},
    {0x3001, ", "},
    {0x3002, ". "},
});

constexpr auto kGreek = std::to_array<std::string_view>(
    {"alpha", "beta",   "gamma",   "delta", "epsilon", "zeta",    "eta",  "theta", "iota",
     "kappa", "lambda", "mu",      "nu",    "xi",      "omicron", "pi",   "rho",   "sigma",
     "sigma", "tau",    "upsilon", "phi",   "chi",     "psi",     "omega"});

constexpr std::int32_t kEnDash = 0x2013;
constexpr std::int32_t kEmDash = 0x2014;

std::optional<std::string_view> spelling_of(std::int32_t c) {
  const auto found = std::lower_bound(
      kSpellings.begin(), kSpellings.end(), c,
      [](const Spelling& spelling, std::int32_t value) { return spelling.code_point < value; });
  if (found == kSpellings.end() || found->code_point != c) return std::nullopt;
  return found->ascii;
}

std::string_view greek_name(std::int32_t c) {
  constexpr std::int32_t kAlpha = 0x3B1;
  const std::int32_t lower = u_tolower(c);
  if (lower < kAlpha || lower >= kAlpha + static_cast<std::int32_t>(kGreek.size())) return {};
  return kGreek[static_cast<std::size_t>(lower - kAlpha)];
}

bool is_letter(const icu::UnicodeString& text, int32_t index) {
  return index >= 0 && index < text.length() && u_isalpha(text.char32At(index)) != 0;
}

bool is_currency(std::int32_t c) { return c == 0xA3 || c == 0xA5 || c == 0x20AC; }

class Speller {
 public:
  explicit Speller(const icu::UnicodeString& text) : text_(text) {}

  LatinText spell() {
    for (int32_t i = 0; i < text_.length();) {
      const UChar32 c = text_.char32At(i);
      const int32_t next = i + U16_LENGTH(c);
      if (c < 0x80) {
        ascii(static_cast<char>(c));
      } else {
        other(c, i, next);
      }
      i = next;
    }
    say_currency();
    return std::move(out_);
  }

 private:
  void ascii(char c) {
    if (!scan::is_digit(c) && !scan::is_one_of(c, ".,")) say_currency();
    if (scan::is_alnum(c)) ++out_.spoken;
    out_.ascii.push_back(c > ' ' && c != '\x7F' ? c : ' ');
  }

  void other(UChar32 c, int32_t index, int32_t next) {
    if (u_getCombiningClass(c) != 0 || u_charType(c) == U_NON_SPACING_MARK) return;
    // A price's unit is said behind its number.
    if (is_currency(c) && next < text_.length() && u_isdigit(text_.char32At(next))) {
      say_currency();
      currency_ = *spelling_of(c);
      out_.ascii.push_back(' ');
      return;
    }
    say_currency();
    if (const auto spelling = spelling_of(c)) {
      out_.ascii.append(*spelling);
      if (scan::is_letter_or_digit(c)) ++out_.spoken;
    } else if (c == kEnDash || c == kEmDash) {
      out_.ascii.append(joins_numbers(index, next) ? "-" : ", ");
    } else if (const std::string_view greek = greek_name(c);
               !greek.empty() && !is_letter(text_, text_.moveIndex32(index, -1)) &&
               !is_letter(text_, next)) {
      out_.ascii.append(" ").append(greek).append(" ");
      ++out_.spoken;
    } else {
      if (scan::is_letter_or_digit(c)) ++out_.left_out;
      out_.ascii.push_back(' ');
    }
  }

  bool joins_numbers(int32_t index, int32_t next) const {
    return index > 0 && next < text_.length() && u_isdigit(text_.char32At(index - 1)) &&
           u_isdigit(text_.char32At(next));
  }

  void say_currency() {
    if (currency_.empty()) return;
    // "€5." keeps its full stop at the end.
    std::string& ascii = out_.ascii;
    const std::size_t end = ascii.find_last_not_of(".,") + 1;
    const std::string marks = ascii.substr(end);
    ascii.resize(end);
    ascii.append(currency_.substr(0, currency_.size() - 1)).append(marks);
    if (marks.empty()) ascii.push_back(' ');
    currency_ = {};
  }

  const icu::UnicodeString& text_;
  LatinText out_;
  std::string_view currency_;  ///< Of the number that is being spelled.
};

bool is_ascii_only(std::string_view text) {
  return std::all_of(text.begin(), text.end(), scan::is_ascii);
}

}  // namespace

LatinText spell_in_ascii(std::string_view text) {
  icu::UnicodeString wide =
      icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  if (is_ascii_only(text)) return Speller(wide).spell();
  // Compatibility decomposition would make a vulgar fraction part of the number before it.
  static const std::u16string_view kFractions = u"\u00BC\u00BD\u00BE\u2153\u2154";
  for (int32_t i = wide.length() - 1; i >= 0; --i) {
    if (kFractions.find(wide.charAt(i)) != std::u16string_view::npos) wide.insert(i, u' ');
  }
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* const decompose = icu::Normalizer2::getNFKDInstance(status);
  if (U_SUCCESS(status)) wide = decompose->normalize(wide, status);
  return Speller(wide).spell();
}

}  // namespace flowtts
