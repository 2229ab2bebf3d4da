#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <flowtts/result.h>

namespace flowtts {

/// Whether a relative path stays below the folder that it is meant for.
bool is_below(const std::string& path);

/// A whole file. Error "unreadable", whose message is what the system says: "is missing".
Result<std::string> read_file(const std::filesystem::path& path);

/// Up to `bytes` bytes from `offset` on; fewer at the file's end.
Result<std::string> read_piece(const std::filesystem::path& path, std::uint64_t offset,
                               std::uint64_t bytes);

}  // namespace flowtts
