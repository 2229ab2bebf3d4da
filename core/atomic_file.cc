#include "core/atomic_file.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

namespace flowtts {
namespace {

bool is_fatal(int code) { return code == ENOSPC || code == EDQUOT || code == EIO || code == EROFS; }

std::filesystem::path part_path(const std::filesystem::path& target) {
  const std::string name = target.filename().string();
  return target.parent_path() /
         fmt::format("{}{:016x}", kPartPrefix, XXH3_64bits(name.data(), name.size()));
}

/// Closes a descriptor, and removes its file unless it was renamed.
class PartFile {
 public:
  explicit PartFile(const std::filesystem::path& target)
      : path_(part_path(target)),
        descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {}
  ~PartFile() {
    close();
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  int descriptor() const { return descriptor_; }
  const std::filesystem::path& path() const { return path_; }
  void renamed() { path_.clear(); }
  int close() {
    if (descriptor_ < 0) return 0;
    const int failed = ::close(descriptor_);
    descriptor_ = -1;
    return failed;
  }

 private:
  std::filesystem::path path_;
  int descriptor_;
};

bool has_content(const std::filesystem::path& path, std::span<const std::string_view> pieces) {
  std::ifstream file(path, std::ios::binary);
  const std::string found{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::string_view left = found;
  for (const std::string_view piece : pieces) {
    if (!left.starts_with(piece)) return false;
    left.remove_prefix(piece.size());
  }
  return left.empty();
}

int write_pieces(int descriptor, std::span<const std::string_view> pieces) {
  for (const std::string_view piece : pieces) {
    if (const int failed = write_all(descriptor, piece)) return failed;
  }
  return 0;
}

// rename, but never over another file. A file system that cannot do that in one call can link.
int rename_new(const std::filesystem::path& from, const std::filesystem::path& to) {
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
#endif
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

int move_into_place(const std::filesystem::path& from, const std::filesystem::path& to,
                    bool replace) {
  if (!replace) return rename_new(from, to);
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

}  // namespace

Error write_error(std::string_view action, const std::filesystem::path& path, int system_code) {
  Error error{"write_failed", fmt::format("cannot {} '{}': {}", action, path.string(),
                                          std::generic_category().message(system_code))};
  error.fatal = is_fatal(system_code);
  error.retryable = !error.fatal;
  return error;
}

int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count < 0 ? errno : ENOSPC;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

namespace {

std::optional<Error> sync_path(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) return write_error("open", path, errno);
  const int failed = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (failed != 0) return write_error("sync", path, failed);
  return std::nullopt;
}

}  // namespace

std::optional<Error> sync_folder(const std::filesystem::path& folder) {
  return sync_path(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

std::optional<Error> sync_file(const std::filesystem::path& path) {
  return sync_path(path, O_RDONLY);
}

std::optional<Error> write_file(const std::filesystem::path& path, std::string_view bytes,
                                WriteMode mode) {
  return write_file(path, std::span(&bytes, 1), mode);
}

std::optional<Error> write_file(const std::filesystem::path& path,
                                std::span<const std::string_view> pieces, WriteMode mode) {
  PartFile part(path);
  if (part.descriptor() < 0) return write_error("create", path, errno);
  if (const int failed = write_pieces(part.descriptor(), pieces)) {
    return write_error("write", path, failed);
  }
  if (mode.sync && ::fsync(part.descriptor()) != 0) return write_error("sync", path, errno);
  if (part.close() != 0) return write_error("close", path, errno);
  const int failed = move_into_place(part.path(), path, mode.replace);
  if (failed == EEXIST && has_content(path, pieces)) return std::nullopt;
  if (failed == EEXIST) {
    return Error{"file_exists",
                 fmt::format("'{}' exists already with other content", path.string())};
  }
  if (failed != 0) return write_error("rename into place", path, failed);
  part.renamed();
  return mode.sync ? sync_folder(path.parent_path()) : std::nullopt;
}

}  // namespace flowtts
