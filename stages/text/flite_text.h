#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flowtts {

/// The longest text that flite is given, bytes. Some of its rules look at all words of a phrase for
/// each word of it.
inline constexpr std::size_t kLongestFliteText = 8192;

/// Makes ASCII text safe for flite 2.2, which reads tables and writes buffers without looking at
/// their ends. What ordinary text has is left as it is; of the rest,
///  - a token is cut after 64 characters: behind a token, flite has room for 300 punctuation marks
///    (`get_token_postpunctuation`), and it recurses once for each character that is not a letter;
///  - a comma goes where flite would look up the name of the digit ',': in sums of money with three
///    and more decimals or with a word of the kind of "million" behind them, and before another
///    comma
///    (`en_exp_number`); an apostrophe becomes a space between digits for the same reason.
std::string text_for_flite(std::string_view ascii);

}  // namespace flowtts
