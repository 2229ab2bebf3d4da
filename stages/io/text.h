#pragma once

#include <string>
#include <string_view>

namespace flowtts {

/// `text` as valid UTF-8. RapidJSON decodes the escape of a lone surrogate (`\udc00`) into three
/// bytes that are not UTF-8; they become one U+FFFD, as does any other invalid part.
std::string valid_text(std::string_view text);

bool is_ascii(std::string_view text);

}  // namespace flowtts
