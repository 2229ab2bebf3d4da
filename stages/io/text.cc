#include "stages/io/text.h"

#include <algorithm>

#include "core/utf8.h"

namespace flowtts {
namespace {

bool in_range(char c, unsigned low, unsigned high) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= low && byte <= high;
}

bool is_encoded_surrogate(std::string_view text) {
  return text.size() >= 3 && text[0] == '\xED' && in_range(text[1], 0xA0, 0xBF) &&
         in_range(text[2], 0x80, 0xBF);
}

}  // namespace

std::string valid_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::size_t end = valid_utf8_prefix(text);
    out.append(text.substr(0, end));
    text.remove_prefix(end);
    if (is_encoded_surrogate(text)) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(3);
      continue;
    }
    end = std::min(text.find('\xED', 1), text.size());
    append_valid_utf8(out, text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace flowtts
