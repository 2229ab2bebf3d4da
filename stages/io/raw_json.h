#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace flowtts {

/// JSON kept as text, so that what FlowTTS does not read leaves as it came.
///
/// `compact_json` makes one line of a slice of parsed JSON (a value, or the members of an object
/// without its braces): no white space and no trailing commas outside strings, lone surrogate
/// escapes and bytes that are not UTF-8 replaced by U+FFFD, so that every strict parser reads it.
std::string compact_json(std::string_view raw);

/// Overwrites every lone high surrogate escape (`\ud83d` without its `\ude00`) in `json` by
/// `\ufffd`, which has the same length; the lone low ones too where `low_too` is set. Unless `json`
/// is `complete`, an escape whose second half may lie beyond its end is left alone.
void repair_lone_surrogates(std::span<char> json, bool low_too, bool complete);

/// Calls `member(key, value)` for each member of compact `members` (`"a":1,"b":[2]`), both as JSON
/// text, the key without its quotes.
void for_each_member(std::string_view members,
                     const std::function<void(std::string_view, std::string_view)>& member);

/// The place after the JSON string that starts at `quote`; the end of `json` where it does not end.
std::size_t skip_json_string(std::string_view json, std::size_t quote);

}  // namespace flowtts
