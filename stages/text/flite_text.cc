#include "stages/text/flite_text.h"

#include <algorithm>

#include "stages/text/scan.h"

namespace flowtts {
namespace {

constexpr std::size_t kLongestToken = 64;

/// Whether the token is a sum with commas that flite takes apart with the commas in it: all but
/// "$1,234" and "$1,234.50", and these before "million".
bool is_risky_sum(std::string_view token, std::string_view next) {
  if (token.find('$') == scan::kNone || token.find(',') == scan::kNone) return false;
  if (next.find("illion") != scan::kNone) return true;
  std::size_t at = std::min(token.find_first_not_of("\"'`"), token.size());
  if (scan::at(token, at) != '$') return true;
  ++at;
  while (scan::is_digit(scan::at(token, at)) ||
         (scan::at(token, at) == ',' && scan::is_digit(scan::at(token, at + 1)))) {
    ++at;
  }
  if (scan::at(token, at) == '.' && scan::is_digit(scan::at(token, at + 1)) &&
      scan::is_digit(scan::at(token, at + 2))) {
    at += 3;
  }
  return token.find_first_not_of("\"'.,:;!?", at) != scan::kNone;
}

/// Whether a comma or apostrophe stands where flite might take it for a digit.
bool is_risky_mark(std::string_view token, std::size_t at, bool sum) {
  const char next = scan::at(token, at + 1);
  if (token[at] == ',') return next == ',' || (sum && scan::is_digit(next));
  return at > 0 && scan::is_digit(token[at - 1]) && scan::is_digit(next);
}

void append_token(std::string& out, std::string_view token, std::string_view next) {
  const bool sum = is_risky_sum(token, next);
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char c = token[i];
    if ((c == ',' || c == '\'') && is_risky_mark(token, i, sum)) {
      if (c == '\'') out.push_back(' ');
    } else {
      out.push_back(c);
    }
  }
}

/// The next token at `position`, which moves behind it; empty at the end.
std::string_view take_token(std::string_view text, std::size_t& position) {
  const std::size_t begin = std::min(text.find_first_not_of(' ', position), text.size());
  const std::size_t end = std::min(text.find(' ', begin), text.size());
  position = std::min(end, begin + kLongestToken);
  return text.substr(begin, position - begin);
}

}  // namespace

std::string text_for_flite(std::string_view ascii) {
  std::string out;
  out.reserve(ascii.size() + 16);
  std::size_t position = 0;
  std::string_view token = take_token(ascii, position);
  while (!token.empty()) {
    const std::string_view next = take_token(ascii, position);
    append_token(out, token, next);
    if (!next.empty()) out.push_back(' ');
    token = next;
  }
  return out;
}

}  // namespace flowtts
