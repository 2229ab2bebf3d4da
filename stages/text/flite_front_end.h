#pragma once

#include <memory>

#include "stages/text/front_end.h"

namespace flowtts {

/// The front end "flite_us": libflite's analysis of American English text, without its synthesis.
///
/// A token is `phone | stress << 6 | word_start << 7`. Phones are numbered from 1 in the order of
/// flite's phone set; a pause is told by the punctuation before it: 51 at the start, 48 without,
/// 52 comma (and ; : -), 53 full stop, 54 question mark, 55 exclamation mark. Stress is set on
/// vowels of stressed syllables, word_start on a word's first phone. 0 is left for padding.
///
/// Text is first spelled in the characters that flite reads (latin_text.h). It is unspeakable where
/// that leaves out too much of it, or where flite finds no sound in it.
Result<std::shared_ptr<const FrontEnd>> make_flite_us();

}  // namespace flowtts
