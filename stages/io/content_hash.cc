#include "stages/io/content_hash.h"

#include <cerrno>
#include <fstream>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace flowtts {

struct ContentHash::State {
  XXH3_state_t hash;
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(&state_->hash);
}
ContentHash::~ContentHash() = default;

void ContentHash::add_bytes(std::string_view bytes) {
  XXH3_128bits_update(&state_->hash, bytes.data(), bytes.size());
}

std::optional<Error> ContentHash::add_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> block(std::size_t{1} << 20U);
  while (stream) {
    stream.read(block.data(), static_cast<std::streamsize>(block.size()));
    add_bytes(std::string_view(block.data(), static_cast<std::size_t>(stream.gcount())));
  }
  if (stream.eof()) return std::nullopt;
  return Error{
      "unreadable_file",
      fmt::format("{} cannot be read: {}", file.string(), std::generic_category().message(errno)),
      false, true};
}

std::string ContentHash::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->hash);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace flowtts
