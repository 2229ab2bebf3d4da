#include "core/line_file.h"

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "core/atomic_file.h"

namespace flowtts {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20U;

Error read_error(const std::filesystem::path& path, int code) {
  Error error{"unreadable", fmt::format("cannot read '{}': {}", path.string(),
                                        std::generic_category().message(code))};
  error.fatal = true;
  return error;
}

/// A descriptor that is closed when it goes.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

/// Writes the kept lines into a file beside the old one.
std::optional<Error> write_kept(const std::filesystem::path& path,
                                const std::filesystem::path& draft, const std::vector<bool>& kept) {
  const Descriptor out(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (out.number() < 0) return write_error("create", draft, errno);
  std::string buffer;
  int failed = 0;
  std::size_t number = 0;
  const auto flush = [&] {
    if (failed == 0) failed = write_all(out.number(), buffer);
    buffer.clear();
  };
  const auto error = for_each_line(path, [&](std::string_view line, bool ended) {
    if (!ended || !kept[number++]) return;
    buffer.append(line).push_back('\n');
    if (buffer.size() >= kBlock) flush();
  });
  if (error) return error;
  flush();
  if (failed == 0 && ::fsync(out.number()) != 0) failed = errno;
  if (failed != 0) return write_error("write", draft, failed);
  return std::nullopt;
}

}  // namespace

std::optional<Error> for_each_line(
    const std::filesystem::path& path,
    const std::function<void(std::string_view line, bool ended)>& line) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) {
    return errno == ENOENT ? std::nullopt : std::optional(read_error(path, errno));
  }
  std::string block(kBlock, '\0');
  std::string begun;  // of a line that goes over the end of a block
  while (true) {
    const ssize_t count = ::read(file.number(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return read_error(path, errno);
    if (count == 0) break;
    std::string_view left(block.data(), static_cast<std::size_t>(count));
    for (std::size_t end = left.find('\n'); end != std::string_view::npos; end = left.find('\n')) {
      if (begun.empty()) {
        line(left.substr(0, end), true);
      } else {
        line(begun.append(left.substr(0, end)), true);
        begun.clear();
      }
      left.remove_prefix(end + 1);
    }
    begun.append(left);
  }
  if (!begun.empty()) line(begun, false);
  return std::nullopt;
}

Result<DroppedLines> keep_lines(const std::filesystem::path& path,
                                const std::function<bool(std::string_view line)>& keep) {
  std::vector<bool> kept;
  DroppedLines dropped;
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path, unknown)) return dropped;
  if (auto error = for_each_line(path, [&](std::string_view line, bool ended) {
        if (!ended) {
          dropped.torn_bytes = line.size();
          return;
        }
        kept.push_back(keep(line));
        dropped.lines += kept.back() ? 0U : 1U;
      })) {
    return *error;
  }
  if (dropped.lines + dropped.torn_bytes == 0) return dropped;
  const std::filesystem::path draft =
      path.parent_path() / ("." + path.filename().string() + ".new");
  std::optional<Error> error = write_kept(path, draft, kept);
  if (!error && ::rename(draft.c_str(), path.c_str()) != 0) {
    error = write_error("replace", path, errno);
  }
  if (error) {
    ::unlink(draft.c_str());
    return *error;
  }
  if (auto unsynced = sync_folder(path.parent_path())) return *unsynced;
  return dropped;
}

}  // namespace flowtts
