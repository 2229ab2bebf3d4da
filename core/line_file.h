#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// Files of lines that grow at their end, and what is left of them after a crash.

/// Calls `line` for each line of a file, without its line break. `ended` is false for what stands
/// behind the last line break: a line that was not written out. Memory: the longest line.
/// Errors: "unreadable"; a file that is not there has no lines.
std::optional<Error> for_each_line(
    const std::filesystem::path& path,
    const std::function<void(std::string_view line, bool ended)>& line);

/// What has gone from a file of lines.
struct DroppedLines {
  std::uint64_t lines = 0;       ///< Whole ones that were not wanted.
  std::uint64_t torn_bytes = 0;  ///< Behind the last line break.
};

/// Leaves those lines in a file that `keep` wants, asked once for each in the file's order; what is
/// behind the last line break goes in any case. The file is replaced as a whole and synced, or left
/// alone where nothing goes.
Result<DroppedLines> keep_lines(const std::filesystem::path& path,
                                const std::function<bool(std::string_view line)>& keep);

}  // namespace flowtts
