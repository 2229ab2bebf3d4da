#include "stages/text/character_front_end.h"

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>

#include "core/json_value.h"
#include "stages/text/normal_form.h"
#include "stages/text/scan.h"

namespace flowtts {
namespace {

constexpr std::int64_t kBlank = 0;
constexpr std::uint64_t kLargestToken = 1U << 24U;  // A table with larger ones is none.

using Table = std::unordered_map<UChar32, std::int64_t>;

Error bad_table(const std::filesystem::path& file, const std::string& what) {
  return {"bad_character_table", file.string() + ": " + what, false, true};
}

/// The code point that a key is; nothing where it is a marker, or ill-formed.
std::optional<UChar32> only_character(std::string_view key) {
  if (key.empty()) return std::nullopt;
  const scan::CodePoint first = scan::decode(key, 0);
  if (first.value < 0 || first.length != key.size()) return std::nullopt;
  return first.value;
}

Result<Table> read_table(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) return bad_table(file, "cannot be read");
  constexpr const char* kWanted = "expected is a JSON map from characters to token ids: {\"a\": 5}";
  Table table;
  for (const auto& [key, value] : JsonValue::parse(text).members()) {
    const std::optional<std::uint64_t> token = value.number();
    if (!token || *token > kLargestToken) {
      return bad_table(file, "'" + key + "' has no token id; " + kWanted);
    }
    if (const auto character = only_character(key)) {
      table.insert_or_assign(*character, static_cast<std::int64_t>(*token));
    }
  }
  if (table.empty())
    return bad_table(file, std::string("there are no characters in it; ") + kWanted);
  return table;
}

/// What a typographic sign stands for; 0 for all others.
UChar32 plain_sign(UChar32 c) {
  constexpr UChar32 kLeftQuote = 0x2018;
  constexpr UChar32 kRightQuote = 0x2019;
  constexpr UChar32 kModifierApostrophe = 0x02BC;
  if (c == kLeftQuote || c == kRightQuote || c == kModifierApostrophe) return '\'';
  return u_charType(c) == U_DASH_PUNCTUATION ? '-' : 0;
}

/// Whether speech without this character lacks something of the text.
bool is_said(UChar32 c) {
  if (u_isalnum(c)) return true;
  if (c == '%' || c == '&' || c == '@') return true;
  const std::uint32_t type = U_MASK(u_charType(c));
  if ((type & (U_GC_SC_MASK | U_GC_SM_MASK | U_GC_N_MASK)) != 0) return true;
  if ((type & U_GC_M_MASK) == 0) return false;
  UErrorCode status = U_ZERO_ERROR;
  return uscript_getScript(c, &status) != USCRIPT_INHERITED;  // Vowel signs, unlike accents.
}

/// Whether a character that is left out stood within a word.
bool is_within_word(UChar32 c) {
  constexpr std::uint32_t kUnseen = U_GC_M_MASK | U_GC_CF_MASK;
  return c == '\'' || plain_sign(c) == '\'' || (U_MASK(u_charType(c)) & kUnseen) != 0;
}

/// Takes the characters of one text.
class Reader {
 public:
  Reader(const Table& table, const icu::Normalizer2& normalizer, bool lower)
      : table_(table), normalizer_(normalizer), lower_(lower) {}

  void read(UChar32 c) {
    if (u_isUWhiteSpace(c)) {
      parted_ = true;
    } else if (!take(c) && !take(plain_sign(c))) {
      take_apart(c);
    }
  }

  bool is_speakable() const { return said_ && !lacking_; }
  std::vector<std::int64_t> tokens() && { return std::move(tokens_); }

 private:
  std::optional<std::int64_t> find(UChar32 c) const {
    const auto found = table_.find(c);
    if (found == table_.end()) return std::nullopt;
    return found->second;
  }

  bool take(UChar32 c) {
    std::optional<std::int64_t> token = find(c);
    if (!token && lower_) token = find(u_tolower(c));
    if (!token) return false;
    const std::optional<std::int64_t> space = find(' ');
    if (parted_ && !tokens_.empty() && space) tokens_.push_back(*space);
    parted_ = false;
    tokens_.push_back(*token);
    said_ = said_ || u_isalnum(c);
    return true;
  }

  void take_apart(UChar32 c) {
    icu::UnicodeString parts;
    if (!normalizer_.getDecomposition(c, parts)) {
      leave_out(c);
      return;
    }
    for (std::int32_t at = 0; at < parts.length(); at = parts.moveIndex32(at, 1)) {
      if (!take(parts.char32At(at))) leave_out(parts.char32At(at));
    }
  }

  void leave_out(UChar32 c) {
    lacking_ = lacking_ || is_said(c);
    parted_ = parted_ || !is_within_word(c);
  }

  const Table& table_;
  const icu::Normalizer2& normalizer_;
  const bool lower_;
  std::vector<std::int64_t> tokens_;
  bool parted_ = false;   ///< A space is due before the next character.
  bool said_ = false;     ///< There is a letter or a digit.
  bool lacking_ = false;  ///< Something that is said has no place in the table.
};

class CharacterFrontEnd final : public FrontEnd {
 public:
  CharacterFrontEnd(const icu::Normalizer2& normalizer, Table table, bool lower, bool add_blank)
      : normalizer_(normalizer), table_(std::move(table)), lower_(lower), add_blank_(add_blank) {}

  Result<std::vector<std::int64_t>> tokens(std::string_view text) const override {
    const Result<icu::UnicodeString> normal_text =
        normal_form(normalizer_, text, kCharacterFrontEnd);
    if (!normal_text.ok()) return normal_text.error();
    const icu::UnicodeString& normal = *normal_text;
    Reader reader(table_, normalizer_, lower_);
    for (std::int32_t at = 0; at < normal.length(); at = normal.moveIndex32(at, 1)) {
      reader.read(normal.char32At(at));
    }
    if (!reader.is_speakable()) return Filtered{"unspeakable"};
    std::vector<std::int64_t> read = std::move(reader).tokens();
    return add_blank_ ? with_blanks(read) : read;
  }

 private:
  static std::vector<std::int64_t> with_blanks(const std::vector<std::int64_t>& tokens) {
    std::vector<std::int64_t> all{kBlank};
    all.reserve(2 * tokens.size() + 1);
    for (const std::int64_t token : tokens) {
      all.push_back(token);
      all.push_back(kBlank);
    }
    return all;
  }

  const icu::Normalizer2& normalizer_;
  const Table table_;
  const bool lower_;
  const bool add_blank_;
};

}  // namespace

Result<std::shared_ptr<const FrontEnd>> make_character_front_end(const FrontEndOptions& options) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status)) return Error{"no_icu_data", u_errorName(status), false, true};
  Result<Table> table = read_table(options.table);
  if (!table.ok()) return table.error();
  return std::shared_ptr<const FrontEnd>(std::make_shared<CharacterFrontEnd>(
      *normalizer, std::move(table).value(), options.lower, options.add_blank));
}

}  // namespace flowtts
