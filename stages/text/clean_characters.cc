#include <unicode/uchar.h>

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts::clean {
namespace {

bool is_line_end(std::int32_t c) { return c == 0x85 || c == 0x2028 || c == 0x2029; }

bool is_noncharacter(std::int32_t c) {
  return (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
}

/// Characters that show nothing. The Arabic number signs are format characters too, but visible;
/// so the property is asked for, not the category.
bool is_invisible(std::int32_t c) {
  return u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) ||
         u_charType(c) == U_PRIVATE_USE_CHAR || (c >= 0xFFF9 && c <= 0xFFFB) || is_noncharacter(c);
}

bool is_emoji(std::int32_t c) {
  constexpr std::int32_t kTradeMark = 0x2122;
  constexpr std::int32_t kTwoExclamations = 0x203C;
  constexpr std::int32_t kInterrobang = 0x2049;
  constexpr std::int32_t kKeycap = 0x20E3;
  if (c < 0x2000 || c == kTradeMark || c == kTwoExclamations || c == kInterrobang) return false;
  return c == kKeycap || u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC) ||
         u_hasBinaryProperty(c, UCHAR_REGIONAL_INDICATOR) ||
         u_hasBinaryProperty(c, UCHAR_EMOJI_MODIFIER);
}

void append_ascii(std::string& out, char c, char following) {
  if (c == '\r') {
    if (following != '\n') out.push_back('\n');
  } else if (c == '\n' || c == '\f' || c == '\v') {
    out.push_back('\n');
  } else if (c == '\t') {
    out.push_back(' ');
  } else if (c >= ' ' && c != '\x7F') {
    out.push_back(c);
  }
}

}  // namespace

std::string normalise_characters(std::string_view text, bool drop_invisible, bool drop_emoji) {
  constexpr std::int32_t kReplacement = 0xFFFD;
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (scan::is_ascii(text[i])) {
      append_ascii(out, text[i], scan::at(text, i + 1));
      ++i;
      continue;
    }
    const auto [c, length] = scan::decode(text, i);
    if (c < 0 || c == kReplacement || u_charType(c) == U_CONTROL_CHAR) {
      if (c == 0x85) out.push_back('\n');
    } else if (is_line_end(c)) {
      out.push_back('\n');
    } else if (u_charType(c) == U_SPACE_SEPARATOR) {
      out.push_back(' ');
    } else if (drop_emoji && is_emoji(c)) {
      out.push_back(' ');  // It may stand between two words.
    } else if (!(drop_invisible && is_invisible(c))) {
      out.append(text.substr(i, length));
    }
    i += length;
  }
  return out;
}

}  // namespace flowtts::clean
