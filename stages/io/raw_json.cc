#include "stages/io/raw_json.h"

#include <cstring>

#include "core/utf8.h"

namespace flowtts {
namespace {

constexpr std::size_t kEscapeLength = 6;  // Backslash, u, four digits.

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The code unit of the escape at `at`, or -1 where there is none.
int escape_unit(std::span<const char> json, std::size_t at) {
  if (at + kEscapeLength > json.size() || json[at] != '\\' || json[at + 1] != 'u') return -1;
  int unit = 0;
  for (std::size_t i = 2; i < kEscapeLength; ++i) {
    const int digit = hex_digit(json[at + i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

bool is_high(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

std::size_t skip_json_string(std::string_view json, std::size_t quote) {
  std::size_t at = quote + 1;
  while ((at = json.find_first_of("\"\\", at)) != std::string_view::npos) {
    if (json[at] == '"') return at + 1;
    at += 2;
  }
  return json.size();
}

void repair_lone_surrogates(std::span<char> json, bool low_too, bool complete) {
  const auto replace = [&](std::size_t at) { std::memcpy(&json[at], "\\ufffd", kEscapeLength); };
  std::size_t at = 0;
  while (at < json.size()) {
    const auto* found = static_cast<const char*>(std::memchr(&json[at], '\\', json.size() - at));
    if (found == nullptr) return;
    at = static_cast<std::size_t>(found - json.data());
    const int unit = escape_unit(json, at);
    if (is_high(unit)) {
      if (!complete && at + 2 * kEscapeLength > json.size()) return;
      if (is_low(escape_unit(json, at + kEscapeLength))) {
        at += 2 * kEscapeLength;
        continue;
      }
      replace(at);
    } else if (low_too && is_low(unit)) {
      replace(at);
    }
    at += unit < 0 ? 2 : kEscapeLength;
  }
}

std::string compact_json(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  bool comma = false;
  for (std::size_t at = 0; at < raw.size();) {
    const char c = raw[at];
    if (is_space(c) || c == ',') {
      comma |= c == ',';
      ++at;
      continue;
    }
    if (comma && c != '}' && c != ']') out += ',';
    comma = false;
    const std::size_t end = c == '"' ? skip_json_string(raw, at) : at + 1;
    append_valid_utf8(out, raw.substr(at, end - at));
    at = end;
  }
  repair_lone_surrogates(out, true, true);
  return out;
}

void for_each_member(std::string_view members,
                     const std::function<void(std::string_view, std::string_view)>& member) {
  std::size_t at = 0;
  while (at < members.size()) {
    const std::size_t key_end = skip_json_string(members, at);
    const std::string_view key = members.substr(at + 1, key_end - at - 2);
    const std::size_t value = key_end + 1;
    std::size_t end = value;
    for (int depth = 0; end < members.size(); ++end) {
      const char c = members[end];
      if (c == '"') {
        end = skip_json_string(members, end) - 1;
        continue;
      }
      depth += (c == '{' || c == '[') ? 1 : 0;
      depth -= (c == '}' || c == ']') ? 1 : 0;
      if (c == ',' && depth == 0) break;
    }
    member(key, members.substr(value, end - value));
    at = end + 1;
  }
}

}  // namespace flowtts
