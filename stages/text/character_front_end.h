#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "stages/text/front_end.h"

namespace flowtts {

inline constexpr std::string_view kCharacterFrontEnd = "characters";

/// The front end "characters", for models that read a table's characters, as MMS and many VITS do.
///
/// The text is brought into normal form C and read character by character. One that the table does
/// not have is tried as its small letter (`lower`), as the plain apostrophe or hyphen that it
/// stands for, and as what it is composed of (é: e and an accent). Accents, apostrophes,
/// punctuation and emoji that remain without a place are left out, and those that part words become
/// a space. A letter, a digit, a vowel sign or a sign that is read aloud (%, €) without a place
/// makes the sentence unspeakable, as does a text of which no letter or digit is left.
///
/// With `add_blank` the token 0 stands before, between and behind the characters.
///
/// The table is a JSON map from characters to token ids: {"a": 5, "b": 6}. Keys of more than one
/// character ("<unk>") are markers that no text has. Errors: "bad_character_table".
Result<std::shared_ptr<const FrontEnd>> make_character_front_end(const FrontEndOptions& options);

}  // namespace flowtts
