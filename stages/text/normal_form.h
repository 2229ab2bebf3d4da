#pragma once

#include <string_view>

#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <flowtts/result.h>

namespace flowtts {

/// A text in the normal form of `normalizer`, for front ends that read it character by character.
/// Errors: "text_too_long" (more than 64 KiB: no sentence is near that, and a model would take it
/// for ever), which names the front end;
/// "text_not_normalised". Any thread.
Result<icu::UnicodeString> normal_form(const icu::Normalizer2& normalizer, std::string_view text,
                                       std::string_view front_end);

}  // namespace flowtts
