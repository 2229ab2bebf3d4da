#pragma once

#include <cstdint>
#include <string_view>

namespace flowtts {

/// XXH3-64 of `bytes`. The same on every machine and in every version, so that it may decide
/// file names and samples. Chaining `seed` over several calls gives a hash of a list of texts in
/// which the borders count.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace flowtts
