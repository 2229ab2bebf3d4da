// A library that stands between the program and the system (LD_PRELOAD) and acts on calls that
// change what lies below one folder. Built for tests alone.
//
//   FLOWTTS_FAULT_BELOW   the folder, absolute; without it nothing is done
//   FLOWTTS_FAULT_KIND    what happens to the chosen call:
//                           an errno's name (ENOSPC, EIO, EINTR, ...)  it fails and does nothing
//                           short   a write writes half; other calls are left alone
//                           kill    the process is killed before the call
//                           killed_after  the process is killed after it
//                           torn    a write writes half, then the process is killed
//   FLOWTTS_FAULT_AT      which call, counted from 1; 0 or nothing: none
//   FLOWTTS_FAULT_STAYS   "1": all calls from that one on
//   FLOWTTS_FAULT_ONLY    names of calls, "write,fsync"; only they count. Nothing: all
//   FLOWTTS_FAULT_LOG     a file that gets one line of JSON for each call: its number, name, paths
//                         below the folder, and what it returned. With the data of writes in
//                         FLOWTTS_FAULT_LOG.data, so that the history can be replayed
//
// Calls are counted, carried out and recorded one at a time, so that the record is the order in
// which they happened. Calls that a library makes inside itself (fopen's own open) are not seen;
// what is done with their descriptors is.
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>

namespace {

struct NamedErrno {
  std::string_view name;
  int value;
};
constexpr NamedErrno kErrnos[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EINTR", EINTR},
                                  {"EDQUOT", EDQUOT}, {"EROFS", EROFS},   {"EACCES", EACCES},
                                  {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"EAGAIN", EAGAIN}};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// The next definition of a function: the C library's.
template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#define REAL(name)                                      \
  ([] {                                                 \
    static auto* found = real<decltype(::name)>(#name); \
    return found;                                       \
  }())

std::string json_text(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char escaped[8];
    if (byte < 0x20 || byte >= 0x7F || c == '"' || c == '\\') {
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

class Shim {
 public:
  static Shim& get() {
    static Shim* shim = new Shim;  // for ever: calls come until the process is gone
    return *shim;
  }

  bool on() const { return !below_.empty(); }

  /// The path below the folder; "" where it is not below, "." for the folder itself.
  std::string inside(int folder, const char* path) const {
    if (!on() || !path) return "";
    std::string full = path;
    if (path[0] != '/') {
      const std::string base = folder == AT_FDCWD ? working_folder() : path_of(folder);
      full = base + "/" + path;
    }
    return inside(tidy(full));
  }
  std::string inside(int descriptor) const {
    return on() ? inside(path_of(descriptor)) : std::string();
  }

  enum class Act { kPass, kFail, kShort, kTorn, kKillAfter };
  struct Turn {
    std::unique_lock<std::mutex> lock;
    std::uint64_t number = 0;
    Act act = Act::kPass;
  };

  /// The calling thread's turn: what is to happen to its call. Others wait until it is over.
  Turn begin(std::string_view call) {
    Turn turn{std::unique_lock(mutex_), 0, Act::kPass};
    if (!counts(call)) return turn;
    turn.number = ++calls_;
    if (at_ == 0 || (turn.number != at_ && !(stays_ && turn.number > at_))) return turn;
    const bool write = call.find("write") != std::string_view::npos;
    if (kind_ == "kill") die();
    if (kind_ == "killed_after") {
      turn.act = Act::kKillAfter;
    } else if (kind_ == "short" || kind_ == "torn") {
      if (write) turn.act = kind_ == "short" ? Act::kShort : Act::kTorn;
    } else {
      turn.act = Act::kFail;
    }
    return turn;
  }

  int error() const { return errno_; }

  /// Ends a turn.
  /// \param rest further members of the record's object, as `,"to":"x"`.
  void end(Turn& turn, std::string_view call, const std::string& path, long result,
           const std::string& rest = {}, const struct iovec* data = nullptr, int count = 0) {
    const int kept = errno;
    if (log_ >= 0) {
      std::string line = "{\"n\":" + std::to_string(turn.number) + ",\"call\":" + json_text(call) +
                         ",\"path\":" + json_text(path) + ",\"result\":" + std::to_string(result) +
                         (result < 0 ? ",\"errno\":" + std::to_string(kept) : "") + rest;
      if (data && result > 0) {
        line += ",\"data\":" + std::to_string(data_size_);
        store(data, count, static_cast<std::size_t>(result));
      }
      line += "}\n";
      raw_write(log_, line.data(), line.size());
    }
    if (turn.act == Act::kKillAfter || turn.act == Act::kTorn) die();
    turn.lock.unlock();
    errno = kept;
  }

 private:
  Shim() {
    std::string below = variable("FLOWTTS_FAULT_BELOW");
    while (below.size() > 1 && below.back() == '/') below.pop_back();
    below_ = below;
    kind_ = variable("FLOWTTS_FAULT_KIND");
    const std::string at = variable("FLOWTTS_FAULT_AT");
    at_ = at.empty() ? 0 : std::strtoull(at.c_str(), nullptr, 10);
    stays_ = variable("FLOWTTS_FAULT_STAYS") == "1";
    only_ = "," + variable("FLOWTTS_FAULT_ONLY") + ",";
    for (const NamedErrno& one : kErrnos) {
      if (one.name == kind_) errno_ = one.value;
    }
    const std::string log = variable("FLOWTTS_FAULT_LOG");
    if (!log.empty() && on()) {
      log_ = open_log(log);
      data_ = open_log(log + ".data");
    }
  }

  static int open_log(const std::string& path) {
    return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path.c_str(),
                                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  }
  static void raw_write(int descriptor, const char* data, std::size_t size) {
    while (size > 0) {
      const long written = ::syscall(SYS_write, descriptor, data, size);
      if (written <= 0) std::abort();
      data += written;
      size -= static_cast<std::size_t>(written);
    }
  }
  void store(const struct iovec* data, int count, std::size_t size) {
    for (int i = 0; i < count && size > 0; ++i) {
      const std::size_t piece = std::min(size, data[i].iov_len);
      raw_write(data_, static_cast<const char*>(data[i].iov_base), piece);
      data_size_ += piece;
      size -= piece;
    }
  }

  bool counts(std::string_view call) const {
    return only_ == ",," || only_.find("," + std::string(call) + ",") != std::string::npos;
  }

  [[noreturn]] static void die() {
    ::syscall(SYS_kill, ::syscall(SYS_getpid), SIGKILL);
    while (true) ::pause();
  }

  std::string inside(const std::string& full) const {
    if (full == below_) return ".";
    if (full.size() > below_.size() && full.compare(0, below_.size(), below_) == 0 &&
        full[below_.size()] == '/') {
      return full.substr(below_.size() + 1);
    }
    return "";
  }

  static std::string working_folder() {
    char buffer[PATH_MAX];
    return ::getcwd(buffer, sizeof buffer) ? buffer : "";
  }
  static std::string path_of(int descriptor) {
    char name[64];
    char buffer[PATH_MAX];
    std::snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    const ssize_t length = ::readlink(name, buffer, sizeof buffer);
    return length > 0 ? std::string(buffer, static_cast<std::size_t>(length)) : "";
  }
  /// Without "//", "/./" and "/..": paths of ours hold no links below the folder.
  static std::string tidy(const std::string& path) {
    std::string out;
    std::size_t at = 0;
    while (at < path.size()) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      const std::string part = path.substr(at, end - at);
      at = end + 1;
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        out.erase(std::min(out.rfind('/'), out.size()));
        continue;
      }
      out += "/" + part;
    }
    return out;
  }

  std::string below_;
  std::string kind_;
  std::string only_;
  std::uint64_t at_ = 0;
  bool stays_ = false;
  int errno_ = EIO;
  int log_ = -1;
  int data_ = -1;
  std::mutex mutex_;
  std::uint64_t calls_ = 0;
  std::uint64_t data_size_ = 0;
};

/// A call that is only passed on, failed or recorded.
template <class Call>
auto simple(std::string_view name, const std::string& path, const Call& call,
            const std::string& rest = {}) -> decltype(call()) {
  if (path.empty()) return call();
  Shim& shim = Shim::get();
  auto turn = shim.begin(name);
  decltype(call()) result = -1;
  if (turn.act == Shim::Act::kFail) {
    errno = shim.error();
  } else {
    result = call();
  }
  shim.end(turn, name, path, static_cast<long>(result), rest);
  return result;
}

/// A write of several pieces, at `offset` or, where that is negative, where the file stands.
template <class Call>
ssize_t writing(std::string_view name, int file, const struct iovec* data, int count, off_t offset,
                const Call& call) {
  Shim& shim = Shim::get();
  const std::string path = shim.inside(file);
  if (path.empty()) return call(data, count);
  auto turn = shim.begin(name);
  ssize_t result = -1;
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += data[i].iov_len;
  if (turn.act == Shim::Act::kFail) {
    errno = shim.error();
  } else if ((turn.act == Shim::Act::kShort || turn.act == Shim::Act::kTorn) && size > 1) {
    std::size_t half = size / 2;  // of the first pieces, as many as make it up
    struct iovec first = data[0];
    first.iov_len = std::min(first.iov_len, half);
    result = call(&first, 1);
  } else {
    result = call(data, count);
  }
  if (offset < 0 && result > 0) offset = ::lseek(file, 0, SEEK_CUR) - result;
  shim.end(turn, name, path, result, ",\"offset\":" + std::to_string(offset), data, count);
  return result;
}

std::string flags_text(int flags) {
  std::string text = ",\"flags\":\"";
  if (flags & O_CREAT) text += "c";
  if (flags & O_TRUNC) text += "t";
  if (flags & O_EXCL) text += "x";
  if ((flags & O_ACCMODE) != O_RDONLY) text += "w";
  return text + "\"";
}

/// Opening to read is no change, and is left alone.
template <class Call>
int opening(int folder, const char* path, int flags, const Call& call) {
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY;
  if (!changes && (flags & O_DIRECTORY) == 0) return call();
  return simple("open", Shim::get().inside(folder, path), call, flags_text(flags));
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

std::string to_text(const std::string& path) { return ",\"to\":" + json_text(path); }

}  // namespace

extern "C" {

#define OPEN(name)                                                                        \
  int name(const char* path, int flags, ...) {                                            \
    va_list arguments;                                                                    \
    va_start(arguments, flags);                                                           \
    const mode_t mode = mode_of(flags, arguments);                                        \
    va_end(arguments);                                                                    \
    return opening(AT_FDCWD, path, flags, [&] { return REAL(name)(path, flags, mode); }); \
  }
#define OPENAT(name)                                                                            \
  int name(int folder, const char* path, int flags, ...) {                                      \
    va_list arguments;                                                                          \
    va_start(arguments, flags);                                                                 \
    const mode_t mode = mode_of(flags, arguments);                                              \
    va_end(arguments);                                                                          \
    return opening(folder, path, flags, [&] { return REAL(name)(folder, path, flags, mode); }); \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int close(int file) {
  return simple("close", Shim::get().inside(file), [&] { return REAL(close)(file); });
}

ssize_t write(int file, const void* data, size_t size) {
  const struct iovec one { const_cast<void*>(data), size };
  return writing("write", file, &one, 1, -1, [&](const struct iovec* pieces, int) {
    return REAL(write)(file, pieces[0].iov_base, pieces[0].iov_len);
  });
}
ssize_t writev(int file, const struct iovec* data, int count) {
  return writing("writev", file, data, count, -1, [&](const struct iovec* pieces, int number) {
    return REAL(writev)(file, pieces, number);
  });
}
#define PWRITE(name)                                                                  \
  ssize_t name(int file, const void* data, size_t size, off_t offset) {               \
    const struct iovec one { const_cast<void*>(data), size };                         \
    return writing("pwrite", file, &one, 1, offset, [&](const struct iovec* p, int) { \
      return REAL(name)(file, p[0].iov_base, p[0].iov_len, offset);                   \
    });                                                                               \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

int fsync(int file) {
  return simple("fsync", Shim::get().inside(file), [&] { return REAL(fsync)(file); });
}
int fdatasync(int file) {
  return simple("fdatasync", Shim::get().inside(file), [&] { return REAL(fdatasync)(file); });
}
int syncfs(int file) noexcept {
  return simple("syncfs", Shim::get().inside(file), [&] { return REAL(syncfs)(file); });
}

#define FTRUNCATE(name)                                                                \
  int name(int file, off_t size) noexcept {                                            \
    return simple(                                                                     \
        "ftruncate", Shim::get().inside(file), [&] { return REAL(name)(file, size); }, \
        ",\"size\":" + std::to_string(size));                                          \
  }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)
#define TRUNCATE(name)                                                                          \
  int name(const char* path, off_t size) noexcept {                                             \
    return simple(                                                                              \
        "truncate", Shim::get().inside(AT_FDCWD, path), [&] { return REAL(name)(path, size); }, \
        ",\"size\":" + std::to_string(size));                                                   \
  }
TRUNCATE(truncate)
TRUNCATE(truncate64)

int mkdir(const char* path, mode_t mode) noexcept {
  return simple("mkdir", Shim::get().inside(AT_FDCWD, path),
                [&] { return REAL(mkdir)(path, mode); });
}
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return simple("mkdir", Shim::get().inside(folder, path),
                [&] { return REAL(mkdirat)(folder, path, mode); });
}
int rmdir(const char* path) noexcept {
  return simple("rmdir", Shim::get().inside(AT_FDCWD, path), [&] { return REAL(rmdir)(path); });
}
int unlink(const char* path) noexcept {
  return simple("unlink", Shim::get().inside(AT_FDCWD, path), [&] { return REAL(unlink)(path); });
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  return simple("unlink", Shim::get().inside(folder, path),
                [&] { return REAL(unlinkat)(folder, path, flags); });
}
int remove(const char* path) noexcept {
  return simple("unlink", Shim::get().inside(AT_FDCWD, path), [&] { return REAL(remove)(path); });
}
int rename(const char* from, const char* to) noexcept {
  Shim& shim = Shim::get();
  return simple(
      "rename", shim.inside(AT_FDCWD, from), [&] { return REAL(rename)(from, to); },
      to_text(shim.inside(AT_FDCWD, to)));
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  Shim& shim = Shim::get();
  return simple(
      "rename", shim.inside(from_folder, from),
      [&] { return REAL(renameat)(from_folder, from, to_folder, to); },
      to_text(shim.inside(to_folder, to)));
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  Shim& shim = Shim::get();
  return simple(
      "rename", shim.inside(from_folder, from),
      [&] { return REAL(renameat2)(from_folder, from, to_folder, to, flags); },
      to_text(shim.inside(to_folder, to)));
}
int link(const char* from, const char* to) noexcept {
  Shim& shim = Shim::get();
  return simple(
      "link", shim.inside(AT_FDCWD, from), [&] { return REAL(link)(from, to); },
      to_text(shim.inside(AT_FDCWD, to)));
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  Shim& shim = Shim::get();
  return simple(
      "link", shim.inside(from_folder, from),
      [&] { return REAL(linkat)(from_folder, from, to_folder, to, flags); },
      to_text(shim.inside(to_folder, to)));
}

int fallocate(int file, int mode, off_t offset, off_t size) {
  return simple("fallocate", Shim::get().inside(file),
                [&] { return REAL(fallocate)(file, mode, offset, size); });
}

}  // extern "C"
