#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stages/text/front_end.h"

namespace flowtts {

inline constexpr std::string_view kTextFrontEnd = "text";

/// The front end "text", for models that read text themselves: a token is a code point of the text,
/// so that batches are made of texts of about one length and `max_tokens` counts characters.
///
/// The text is brought into normal form C; white space of all kinds becomes one space; controls,
/// emoji and ill-formed bytes go. It is unspeakable where neither letter nor digit is left, and,
/// where the voice says its languages, where more than a twentieth of its letters are of scripts in
/// which none of them is written: models read these as noise or leave them out.
///
/// \param languages "en", "zh": as ICU knows them; an unknown one allows all scripts.
Result<std::shared_ptr<const FrontEnd>> make_text_front_end(
    const std::vector<std::string>& languages);

/// The text that such tokens are, UTF-8.
std::string text_of_tokens(std::span<const std::int64_t> tokens);

}  // namespace flowtts
