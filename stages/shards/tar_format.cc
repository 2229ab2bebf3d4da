#include "stages/shards/tar_format.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace flowtts {
namespace {

// Places and lengths of a ustar header's fields.
constexpr std::size_t kName = 0;
constexpr std::size_t kNameLength = 100;
constexpr std::size_t kMode = 100;
constexpr std::size_t kUserId = 108;
constexpr std::size_t kGroupId = 116;
constexpr std::size_t kSize = 124;
constexpr std::size_t kTime = 136;
constexpr std::size_t kChecksum = 148;
constexpr std::size_t kType = 156;
constexpr std::size_t kMagic = 257;
constexpr std::size_t kShortNumber = 7;             // digits of mode and ids
constexpr std::size_t kLongNumber = 11;             // digits of size and time
constexpr std::uint64_t kMostOctal = 077777777777;  // that a size field holds

void put(std::string& block, std::size_t at, std::string_view text) {
  std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(at));
}

void put_number(std::string& block, std::size_t at, std::size_t digits, std::uint64_t number) {
  put(block, at, fmt::format("{:0{}o}", number, digits));
}

std::string header_block(std::string_view name, std::uint64_t size, char type) {
  std::string block(kTarBlock, '\0');
  put(block, kName, name.substr(0, kNameLength));
  put_number(block, kMode, kShortNumber, 0644);
  put_number(block, kUserId, kShortNumber, 0);
  put_number(block, kGroupId, kShortNumber, 0);
  put_number(block, kSize, kLongNumber, std::min(size, kMostOctal));
  put_number(block, kTime, kLongNumber, 0);
  block[kType] = type;
  put(block, kMagic, std::string_view("ustar\00000", 8));
  put(block, kChecksum, "        ");  // counts as blanks
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(block, kChecksum, fmt::format("{:06o}", sum));
  block[kChecksum + 6] = '\0';
  return block;
}

/// "LENGTH path=NAME\n", where the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // blank, '=', line break
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) {
    length = std::to_string(length).size() + rest;
  }
  return fmt::format("{} {}={}\n", length, key, value);
}

}  // namespace

std::string tar_header(std::string_view name, std::uint64_t size) {
  std::string before;
  if (name.size() > kNameLength) before += pax_record("path", name);
  if (size > kMostOctal) before += pax_record("size", std::to_string(size));
  if (before.empty()) return header_block(name, size, '0');
  return header_block("PaxHeaders/long", before.size(), 'x') + before + tar_padding(before.size()) +
         header_block(name, size, '0');
}

std::string tar_padding(std::uint64_t size) {
  return std::string((kTarBlock - size % kTarBlock) % kTarBlock, '\0');
}

std::string tar_filler_header(std::uint64_t bytes) {
  return header_block(fmt::format("{}{}", kTarFillerName, bytes), bytes - kTarBlock, '0');
}

std::optional<std::uint64_t> tar_filler_bytes(std::string_view block) {
  if (block.size() < kTarBlock || !block.starts_with(kTarFillerName)) return std::nullopt;
  const char* number = block.data() + kTarFillerName.size();
  std::uint64_t bytes = 0;
  const auto read = std::from_chars(number, block.data() + kNameLength, bytes);
  if (read.ec != std::errc() || bytes < kTarBlock || bytes % kTarBlock != 0) return std::nullopt;
  if (block.substr(0, kTarBlock) != tar_filler_header(bytes)) return std::nullopt;
  return bytes;
}

}  // namespace flowtts
