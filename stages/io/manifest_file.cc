#include "stages/io/manifest_file.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/line_file.h"
#include "core/sealed_line.h"

namespace flowtts {
namespace {

constexpr std::size_t kBlock = 1024 * 1024;
constexpr std::string_view kLineStart = "{\"index\":";

struct Line {
  std::uint64_t index = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // Its line break included.
};

/// Reads up to `out.size()` bytes; less only at the end of the file. Negative: failed, errno is
/// set.
ssize_t read_at(int descriptor, char* out, std::size_t size, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count =
        ::pread(descriptor, out + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

/// Finds the lines of a file. Keeps the start of one line at a time.
class LineTable {
 public:
  // Whether all lines have an index.
  bool add(std::string_view block) {
    while (!block.empty()) {
      const std::size_t end = block.find('\n');
      const std::string_view piece = block.substr(0, end);
      start_.append(piece.substr(0, kStart - std::min(kStart, start_.size())));
      length_ += piece.size();
      if (end == std::string_view::npos) return true;
      if (!finish_line()) return false;
      block.remove_prefix(end + 1);
    }
    return true;
  }

  std::vector<Line>& lines() { return lines_; }

 private:
  static constexpr std::size_t kStart = 40;

  bool finish_line() {
    const std::optional<std::uint64_t> index = manifest_index(start_);
    if (!index) return false;
    lines_.push_back({*index, offset_, length_ + 1});
    offset_ += length_ + 1;
    length_ = 0;
    start_.clear();
    return true;
  }

  std::vector<Line> lines_;
  std::string start_;
  std::uint64_t offset_ = 0;
  std::uint64_t length_ = 0;
};

/// Copies lines of one file to the end of another, in large pieces.
class LineCopier {
 public:
  LineCopier(int from, int to) : from_(from), to_(to) {}

  // 0, or errno.
  int copy(const Line& line) {
    const std::size_t before = buffer_.size();
    buffer_.resize(before + line.length);
    const ssize_t count = read_at(from_, buffer_.data() + before, line.length, line.offset);
    if (count < 0) return errno;
    if (count != static_cast<ssize_t>(line.length)) return EIO;
    return buffer_.size() < kBlock ? 0 : flush();
  }
  int flush() {
    const int failed = write_all(to_, buffer_);
    buffer_.clear();
    return failed;
  }

 private:
  int from_;
  int to_;
  std::string buffer_;
};

/// A new file that is removed unless it took another's place.
class NewFile {
 public:
  explicit NewFile(std::filesystem::path path)
      : path_(std::move(path)),
        descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {}
  ~NewFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int descriptor() const { return descriptor_; }
  bool replace(const std::filesystem::path& other) {
    if (::rename(path_.c_str(), other.c_str()) != 0) return false;
    path_.clear();
    return true;
  }

 private:
  std::filesystem::path path_;
  int descriptor_;
};

/// What is left of the file when it is opened again.
std::optional<Error> keep_what_counts(const std::filesystem::path& path, EarlierSessions* earlier) {
  std::set<std::uint64_t> found;
  const auto dropped = keep_lines(path, [&](std::string_view line) {
    const std::optional<std::uint64_t> index = manifest_index(line);
    if (!index || !is_sealed_line(line)) return false;
    if (earlier && !earlier->is_done(*index)) return false;
    found.insert(*index);
    return true;
  });
  if (!dropped.ok()) return dropped.error();
  if (!earlier) return std::nullopt;
  for (const std::uint64_t index : earlier->done()) {
    if (found.contains(index)) continue;
    earlier->redo(index, fmt::format("{} has no whole line for it", path.string()));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> manifest_index(std::string_view line) {
  if (!line.starts_with(kLineStart)) return std::nullopt;
  line.remove_prefix(kLineStart.size());
  std::uint64_t index = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), index);
  const bool whole = error == std::errc() && end != line.data() + line.size() && *end == ',';
  return whole ? std::optional(index) : std::nullopt;
}

ManifestFile::ManifestFile(std::filesystem::path path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

ManifestFile::~ManifestFile() { ::close(descriptor_); }

Result<std::shared_ptr<ManifestFile>> ManifestFile::open(const std::filesystem::path& path,
                                                         EarlierSessions* earlier) {
  if (auto error = keep_what_counts(path, earlier)) return *error;
  const int descriptor = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) return write_error("open", path, errno);
  std::shared_ptr<ManifestFile> file(new ManifestFile(path, descriptor));
  // Where the file system knows no locks, there is none.
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return Error{"manifest_in_use",
                 fmt::format("another stage or process is writing '{}'", path.string())};
  }
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return write_error("open", path, errno);
  file->size_ = static_cast<std::uint64_t>(status.st_size);
  if (auto error = sync_folder(path.parent_path())) return *error;
  return file;
}

std::optional<Error> ManifestFile::sync() {
  if (::fdatasync(descriptor_) != 0) return write_error("sync", path_, errno);
  return std::nullopt;
}

std::optional<Error> ManifestFile::append(std::string_view line) {
  std::string text;
  text.reserve(line.size() + 1);
  text.append(line).push_back('\n');
  const std::lock_guard lock(mutex_);
  if (const int failed = write_all(descriptor_, text)) {
    // A piece of a line must not stay; where even that fails, the next session removes it.
    Error error = write_error("append to", path_, failed);
    if (::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0) error.fatal = true;
    return error;
  }
  size_ += text.size();
  return std::nullopt;
}

std::optional<Error> ManifestFile::sort() {
  const std::lock_guard lock(mutex_);
  LineTable table;
  std::string block(kBlock, '\0');
  for (std::uint64_t at = 0; at < size_;) {
    const ssize_t count = read_at(descriptor_, block.data(), block.size(), at);
    if (count <= 0) return write_error("read", path_, count < 0 ? errno : EIO);
    if (!table.add(std::string_view(block.data(), static_cast<std::size_t>(count)))) {
      return Error{"bad_manifest",
                   fmt::format("line {} of '{}' does not start with {}", table.lines().size() + 1,
                               path_.string(), kLineStart)};
    }
    at += static_cast<std::uint64_t>(count);
  }
  const auto by_index = [](const Line& a, const Line& b) { return a.index < b.index; };
  const auto repeats = [](const Line& a, const Line& b) { return a.index == b.index; };
  if (std::ranges::is_sorted(table.lines(), by_index) &&
      std::ranges::adjacent_find(table.lines(), repeats) == table.lines().end()) {
    if (::fsync(descriptor_) != 0) return write_error("sync", path_, errno);
    return sync_folder(path_.parent_path());
  }
  std::ranges::stable_sort(table.lines(), by_index);

  NewFile sorted(path_.parent_path() / ("." + path_.filename().string() + ".sorted"));
  if (sorted.descriptor() < 0) return write_error("create the sorted form of", path_, errno);
  LineCopier copier(descriptor_, sorted.descriptor());
  int failed = 0;
  for (std::size_t i = 0; i < table.lines().size() && failed == 0; ++i) {
    const bool last =
        i + 1 == table.lines().size() || !repeats(table.lines()[i], table.lines()[i + 1]);
    if (last) failed = copier.copy(table.lines()[i]);
  }
  if (failed == 0) failed = copier.flush();
  if (failed != 0) return write_error("write the sorted form of", path_, failed);
  if (::fsync(sorted.descriptor()) != 0 || !sorted.replace(path_)) {
    return write_error("write the sorted form of", path_, errno);
  }
  return sync_folder(path_.parent_path());
}

}  // namespace flowtts
