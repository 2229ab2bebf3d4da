#include "stages/text/normal_form.h"

#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

namespace flowtts {

Result<icu::UnicodeString> normal_form(const icu::Normalizer2& normalizer, std::string_view text,
                                       std::string_view front_end) {
  constexpr std::size_t kLongestText = std::size_t{1} << 16U;
  if (text.size() > kLongestText) {
    return Error{"text_too_long",
                 fmt::format("the text has {} bytes; the front end '{}' takes {} at once",
                             text.size(), front_end, kLongestText)};
  }
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeString normal = normalizer.normalize(
      icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())}), status);
  if (U_FAILURE(status)) return Error{"text_not_normalised", u_errorName(status)};
  return normal;
}

}  // namespace flowtts
