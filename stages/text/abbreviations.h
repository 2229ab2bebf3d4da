#pragma once

#include <cstddef>
#include <string_view>

namespace flowtts {

/// Whether the sentence that began at `begin` goes on behind `boundary`, where ICU ends it with a
/// full stop and white space: after an English abbreviation ("Dr. Lee", "e.g. Paris", "No. 5"), an
/// initial ("J. K. Rowling") or the number of an item ("1. Cut"). An abbreviation that may as well
/// end a sentence ("etc.", "U.S.", "vitamin C.") goes on only where the next word is not one that
/// sentences like to begin with.
///
/// These are rules of this project and not ICU's list of exceptions for English (CLDR's "standard"
/// set): that lacks "Dr.", "Fig." and "No.", has ordinary words ("Go.", "OK.", "Up.", "All.") and
/// changes with ICU's version, and with it the output.
///
/// `begin` < `boundary` <= text.size(). Pure; the time is bounded but for the white space before
/// the boundary.
bool goes_on_in_english(std::u16string_view text, std::size_t begin, std::size_t boundary);

}  // namespace flowtts
