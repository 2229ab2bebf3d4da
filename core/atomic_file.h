#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// How the name begins under which `write_file` writes a file until it is whole. What a crash
/// leaves under such a name is nobody's.
inline constexpr std::string_view kPartPrefix = ".part-";

/// An Error "write_failed" that names the path and says what the system said. Fatal where nothing
/// else could be written either: a full, broken or read-only disk. Retryable otherwise.
Error write_error(std::string_view action, const std::filesystem::path& path, int system_code);

/// Writes all of `bytes` to a descriptor, going on after interruptions and short writes. 0 or
/// errno.
int write_all(int descriptor, std::string_view bytes);

/// Makes what was renamed into or made in `folder` last through a power cut.
std::optional<Error> sync_folder(const std::filesystem::path& folder);

/// Makes a file last that has been written and closed.
std::optional<Error> sync_file(const std::filesystem::path& path);

struct WriteMode {
  bool replace = true;  ///< Whether a file of that name may give way.
  bool sync = true;     ///< Whether the file lasts through a power cut once this returns.
};

/// Writes a file that is there as a whole or not at all: under another name in the same folder,
/// synced, renamed, the folder synced. Where a file of that name must not be replaced, one with the
/// same bytes is taken for it, and one with others is Error "file_exists". Leaves nothing behind
/// when it fails. Any thread, for different paths.
std::optional<Error> write_file(const std::filesystem::path& path, std::string_view bytes,
                                WriteMode mode);

/// The same for a file that lies in memory in pieces.
std::optional<Error> write_file(const std::filesystem::path& path,
                                std::span<const std::string_view> pieces, WriteMode mode);

}  // namespace flowtts
