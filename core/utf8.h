#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flowtts {

/// The length of the longest prefix of `text` that is valid UTF-8 (no overlong forms, surrogates or
/// code points above U+10FFFF: table 3-7 of the Unicode standard).
std::size_t valid_utf8_prefix(std::string_view text);

/// Writes `text` to the end of `out` with U+FFFD for each maximal invalid part, as the Unicode
/// standard recommends and web browsers do.
void append_valid_utf8(std::string& out, std::string_view text);

}  // namespace flowtts
