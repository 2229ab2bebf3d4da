#include "stages/text/text_front_end.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>

#include "stages/text/normal_form.h"
#include "stages/text/scan.h"

namespace flowtts {
namespace {

/// Of a text's letters, what may be of another script: as flite_us has it.
constexpr double kMaxOther = 0.05;

using Scripts = std::set<UScriptCode>;

/// ICU tells simplified from traditional Han; characters do not.
UScriptCode of_characters(UScriptCode script) {
  const bool han = script == USCRIPT_SIMPLIFIED_HAN || script == USCRIPT_TRADITIONAL_HAN;
  return han ? USCRIPT_HAN : script;
}

/// The scripts that the languages are written in; nothing where one of them is unknown.
std::optional<Scripts> scripts_of(const std::vector<std::string>& languages) {
  Scripts scripts;
  for (const std::string& language : languages) {
    std::array<UScriptCode, 8> codes{};
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t count = uscript_getCode(language.c_str(), codes.data(),
                                               static_cast<std::int32_t>(codes.size()), &status);
    if (U_FAILURE(status) || count <= 0) return std::nullopt;
    for (std::int32_t i = 0; i < count; ++i) {
      scripts.insert(of_characters(codes[static_cast<std::size_t>(i)]));
    }
  }
  if (scripts.empty()) return std::nullopt;
  return scripts;
}

class TextFrontEnd final : public FrontEnd {
 public:
  TextFrontEnd(const icu::Normalizer2& normalizer, std::optional<Scripts> scripts)
      : normalizer_(normalizer), scripts_(std::move(scripts)) {}

  Result<std::vector<std::int64_t>> tokens(std::string_view text) const override {
    const Result<icu::UnicodeString> normal_text = normal_form(normalizer_, text, kTextFrontEnd);
    if (!normal_text.ok()) return normal_text.error();
    const icu::UnicodeString& normal = *normal_text;
    std::vector<std::int64_t> tokens;
    std::size_t spoken = 0;
    std::size_t other = 0;
    for (std::int32_t at = 0; at < normal.length(); at = normal.moveIndex32(at, 1)) {
      const UChar32 c = normal.char32At(at);
      if (u_isUWhiteSpace(c)) {
        if (!tokens.empty() && tokens.back() != ' ') tokens.push_back(' ');
        continue;
      }
      if (!is_kept(c, tokens)) continue;
      tokens.push_back(c);
      if (u_isalpha(c) && !is_own(c)) {
        ++other;
      } else if (u_isalnum(c)) {
        ++spoken;
      }
    }
    if (!tokens.empty() && tokens.back() == ' ') tokens.pop_back();
    const double letters = static_cast<double>(spoken + other);
    if (spoken == 0 || static_cast<double>(other) > kMaxOther * letters) {
      return Filtered{"unspeakable"};
    }
    return tokens;
  }

 private:
  static bool is_kept(UChar32 c, const std::vector<std::int64_t>& before) {
    constexpr UChar32 kNonJoiner = 0x200C;
    constexpr UChar32 kJoiner = 0x200D;
    constexpr UChar32 kReplacement = 0xFFFD;
    if (c == kReplacement || u_hasBinaryProperty(c, UCHAR_EMOJI_PRESENTATION) ||
        u_hasBinaryProperty(c, UCHAR_VARIATION_SELECTOR)) {
      return false;
    }
    // Within a word they are spelling (Persian, Hindi).
    if (c == kNonJoiner || c == kJoiner) {
      return !before.empty() &&
             u_hasBinaryProperty(static_cast<UChar32>(before.back()), UCHAR_ALPHABETIC);
    }
    constexpr std::uint32_t kGone =
        U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK | U_GC_CS_MASK | U_GC_CN_MASK;
    return (U_MASK(u_charType(c)) & kGone) == 0;
  }

  /// Whether a letter is of a script that the voice speaks.
  bool is_own(UChar32 c) const {
    if (!scripts_) return true;
    UErrorCode status = U_ZERO_ERROR;
    const UScriptCode script = uscript_getScript(c, &status);
    if (script == USCRIPT_COMMON || script == USCRIPT_INHERITED) return true;
    return std::any_of(scripts_->begin(), scripts_->end(),
                       [c](UScriptCode own) { return uscript_hasScript(c, own); });
  }

  const icu::Normalizer2& normalizer_;
  const std::optional<Scripts> scripts_;
};

}  // namespace

Result<std::shared_ptr<const FrontEnd>> make_text_front_end(
    const std::vector<std::string>& languages) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status)) return Error{"no_icu_data", u_errorName(status), false, true};
  return std::shared_ptr<const FrontEnd>(
      std::make_shared<TextFrontEnd>(*normalizer, scripts_of(languages)));
}

std::string text_of_tokens(std::span<const std::int64_t> tokens) {
  std::string text;
  for (const std::int64_t token : tokens) scan::append(text, static_cast<std::int32_t>(token));
  return text;
}

}  // namespace flowtts
