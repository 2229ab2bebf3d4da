#include "stages/verify/file_piece.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace flowtts {
namespace {

Error unreadable(int code) {
  if (code == ENOENT) return Error{"unreadable", "is missing"};
  return Error{"unreadable",
               fmt::format("cannot be read: {}", std::generic_category().message(code))};
}

/// \param bytes nothing: all that there are from `offset` on.
Result<std::string> read(const std::filesystem::path& path, std::uint64_t offset,
                         std::optional<std::uint64_t> bytes) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return unreadable(errno);
  struct stat status {};
  int failed = ::fstat(descriptor, &status) == 0 ? 0 : errno;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t left = size > offset ? size - offset : 0;
  std::string content(std::min(bytes.value_or(left), left), '\0');
  std::size_t done = 0;
  while (failed == 0 && done < content.size()) {
    const ssize_t count = ::pread(descriptor, content.data() + done, content.size() - done,
                                  static_cast<off_t>(offset + done));
    if (count < 0 && errno != EINTR) failed = errno;
    if (count == 0) break;
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  ::close(descriptor);
  if (failed != 0) return unreadable(failed);
  content.resize(done);
  return content;
}

}  // namespace

bool is_below(const std::string& path) {
  const std::filesystem::path parsed(path);
  return !path.empty() && parsed.is_relative() && path.find('\0') == std::string::npos &&
         std::find(parsed.begin(), parsed.end(), "..") == parsed.end();
}

Result<std::string> read_file(const std::filesystem::path& path) {
  return read(path, 0, std::nullopt);
}

Result<std::string> read_piece(const std::filesystem::path& path, std::uint64_t offset,
                               std::uint64_t bytes) {
  return read(path, offset, bytes);
}

}  // namespace flowtts
