#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flowtts {

/// Tar archives as POSIX 1003.1-2001 has them (ustar, with pax headers for names that are too long
/// for it), written so that equal contents give equal bytes: no times, no owners. Written here
/// rather than by a library because shards need the place of each byte: records are found again by
/// it, cut off, and written over.

inline constexpr std::uint64_t kTarBlock = 512;
inline constexpr std::uint64_t kTarEnd = 2 * kTarBlock;  ///< The zeros behind the last member.

/// What stands before a member's content of `size` bytes. `name` is UTF-8, with '/'.
std::string tar_header(std::string_view name, std::uint64_t size);

/// Zeros up to the next block, behind content of `size` bytes.
std::string tar_padding(std::uint64_t size);

/// Where the name begins under which a member stands for nothing: readers of WebDataset pass over
/// `__...__/`.
inline constexpr std::string_view kTarFillerName = "__removed__/";

/// The header of a member that fills `bytes` (a multiple of a block, at least one) together with
/// its content, which is left as it is.
std::string tar_filler_header(std::uint64_t bytes);

/// How many bytes the filler takes whose header `block` is; nothing where it is none.
std::optional<std::uint64_t> tar_filler_bytes(std::string_view block);

}  // namespace flowtts
