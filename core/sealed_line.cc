#include "core/sealed_line.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace flowtts {
namespace {

constexpr std::string_view kMember = ",\"xxh3\":\"";
constexpr std::string_view kEnd = "\"}";
constexpr std::size_t kDigits = 16;
constexpr std::size_t kSealSize = kMember.size() + kDigits + kEnd.size();

/// The seal of an object that lacks its closing brace.
std::string seal_of(std::string_view open_object) {
  return fmt::format("{}{:016x}{}", kMember, XXH3_64bits(open_object.data(), open_object.size()),
                     kEnd);
}

}  // namespace

std::string seal_line(std::string_view object) {
  const std::string_view open_object = object.substr(0, object.size() - 1);
  std::string line;
  line.reserve(open_object.size() + kSealSize);
  return line.append(open_object).append(seal_of(open_object));
}

bool is_sealed_line(std::string_view line) {
  if (line.size() <= kSealSize || line.front() != '{') return false;
  const std::size_t end = line.size() - kSealSize;
  return line.substr(end) == seal_of(line.substr(0, end));
}

std::optional<std::string> unseal_line(std::string_view line) {
  if (!is_sealed_line(line)) return std::nullopt;
  return std::string(line.substr(0, line.size() - kSealSize)) + '}';
}

}  // namespace flowtts
