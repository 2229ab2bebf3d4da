#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace flowtts {

/// XXH3-64 of `bytes`. The same on every machine and in every version, so that it may decide
/// file names and samples. Chaining `seed` over several calls gives a hash of a list of texts in
/// which the borders count.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);

/// XXH3-64 of a file's bytes, which lie in memory in pieces: what `xxh3` says of it in the
/// manifest, and `xxhsum -H3` prints.
std::uint64_t checksum_of(std::span<const std::string_view> pieces);

}  // namespace flowtts
