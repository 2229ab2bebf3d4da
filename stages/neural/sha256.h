#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// SHA-256 (FIPS 180-4), for files that are pinned. Not for secrets.
class Sha256 {
 public:
  void add(std::string_view bytes);
  /// The digest as 64 lower-case hex digits; ends the object.
  std::string hex();

 private:
  void block(const unsigned char* bytes);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  std::size_t pending_bytes_ = 0;
  std::uint64_t bytes_ = 0;
};

/// The digest of a file, read piece by piece. The Error "unreadable_file" says why it cannot be.
Result<std::string> sha256_of_file(const std::filesystem::path& file);

}  // namespace flowtts
