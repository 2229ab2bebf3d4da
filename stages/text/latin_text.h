#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flowtts {

/// A text in the ASCII characters that a front end of bytes can read.
struct LatinText {
  std::string ascii;
  std::size_t spoken = 0;    ///< Letters and numbers of the text that are in `ascii`.
  std::size_t left_out = 0;  ///< Letters and numbers, Han characters among them, that are not.
};

/// Spells `text` in ASCII: accents are folded (café: cafe), ligatures and wide forms taken apart,
/// typographic quotes and dashes replaced (an em dash by a comma, which is how it is read), Greek
/// letters that stand alone and signs such as °, ×, ½ and € put into English words, white space and
/// controls made spaces. Letters of other scripts, emoji and ill-formed bytes are left out. ASCII
/// text stays as it is.
LatinText spell_in_ascii(std::string_view text);

}  // namespace flowtts
