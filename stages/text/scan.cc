#include "stages/text/scan.h"

#include <unicode/uchar.h>

#include <array>

namespace flowtts::scan {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = to_lower(c);
  return result;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view trim_unicode(std::string_view text) {
  const auto is_white = [](std::int32_t c) { return c >= 0 && u_isUWhiteSpace(c) != 0; };
  while (!text.empty()) {
    const CodePoint first = decode(text, 0);
    if (!is_white(first.value)) break;
    text.remove_prefix(first.length);
  }
  while (!text.empty()) {
    const CodePoint last = decode_before(text, text.size());
    if (!is_white(last.value)) break;
    text.remove_suffix(last.length);
  }
  return text;
}

std::size_t find_any(std::string_view text, std::string_view set, std::size_t from) {
  std::array<bool, 256> wanted{};
  for (const char c : set) wanted[static_cast<unsigned char>(c)] = true;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (wanted[static_cast<unsigned char>(text[i])]) return i;
  }
  return kNone;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  for (std::size_t i = 0; i < lower_case.size(); ++i) {
    if (to_lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  return text.size() == lower_case.size() && starts_with_ignoring_case(text, lower_case);
}

CodePoint decode(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(position);
  if (lead < 0x80) return {lead, 1};

  std::size_t length = 0;
  std::int32_t value = 0;
  unsigned char low = 0x80;   // Range of the second byte: it excludes overlong forms,
  unsigned char high = 0xBF;  // surrogates and values beyond U+10FFFF.
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    value = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    value = lead & 0x0F;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    value = lead & 0x07;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {-1, 1};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (position + i >= text.size()) return {-1, i};
    const unsigned char next = byte(position + i);
    if (next < low || next > high) return {-1, i};
    low = 0x80;
    high = 0xBF;
    value = (value << 6) | (next & 0x3F);
  }
  return {value, length};
}

void append(std::string& text, std::int32_t code_point) {
  const auto put = [&](std::int32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

CodePoint decode_before(std::string_view text, std::size_t position) {
  for (std::size_t length = 1; length <= 4 && length <= position; ++length) {
    const unsigned char byte = static_cast<unsigned char>(text[position - length]);
    if (byte >= 0x80 && byte < 0xC0) continue;  // A trail byte: the lead is further back.
    const CodePoint found = decode(text, position - length);
    return found.length == length ? found : CodePoint{-1, 1};
  }
  return {-1, 1};
}

bool is_letter_or_digit(std::int32_t code_point) {
  return (U_GET_GC_MASK(code_point) & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}

bool has_letter_or_digit(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode(text, i);
    if (point.value >= 0 && is_letter_or_digit(point.value)) return true;
    i += point.length;
  }
  return false;
}

bool Lines::next(std::string_view& line) {
  if (done_) return false;
  const std::size_t end = rest_.find('\n');
  line = rest_.substr(0, end);
  done_ = end == kNone;
  if (!done_) rest_.remove_prefix(end + 1);
  return true;
}

}  // namespace flowtts::scan
