#include "stages/io/byte_window.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace flowtts {
namespace {

std::string system_message(int code) { return std::generic_category().message(code); }

Error open_error(const std::string& path, int code) {
  const std::string subject = "'" + path + "' cannot be read: ";
  if (code == ENOENT) return {"no_such_file", subject + "there is no such file"};
  return {"unreadable", subject + system_message(code)};
}

}  // namespace

/// Waits until there is something to read or a stop is requested.
class ByteWindow::Waiting {
 public:
  explicit Waiting(const std::stop_token& stop) : wake_(stop, Wake{stopped_.descriptor}) {}

  /// False where a stop has been requested.
  bool wait(int descriptor) const {
    pollfd polled[] = {{descriptor, POLLIN, 0}, {stopped_.descriptor, POLLIN, 0}};
    while (::poll(polled, 2, -1) < 0 && errno == EINTR) {
    }
    return polled[1].revents == 0;
  }

 private:
  struct Event {
    const int descriptor = ::eventfd(0, EFD_CLOEXEC);
    Event() = default;
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() { ::close(descriptor); }
  };
  struct Wake {
    int descriptor;
    void operator()() const { ::eventfd_write(descriptor, 1); }
  };

  const Event stopped_;  ///< Goes last: `wake_` may be writing to it until it is gone.
  std::stop_callback<Wake> wake_;
};

Result<ByteWindow> ByteWindow::open(const std::string& path, std::stop_token stop) {
  int flags = O_RDONLY | O_CLOEXEC;
  struct stat before {};
  // Otherwise opening a named pipe waits for a writer, which nothing could interrupt.
  if (::stat(path.c_str(), &before) == 0 && S_ISFIFO(before.st_mode)) flags |= O_NONBLOCK;
  const int descriptor = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), flags);
  if (descriptor < 0) return open_error(path, errno);
  ByteWindow window(descriptor, path == "-" ? "standard input" : path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return open_error(path, errno);
  if (S_ISDIR(status.st_mode)) {
    return Error{"not_a_file", "'" + path + "' is a folder; a file is expected"};
  }
  if (S_ISREG(status.st_mode)) ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
  if (!S_ISREG(status.st_mode)) window.waiting_ = std::make_unique<Waiting>(stop);
  return window;
}

ByteWindow::ByteWindow(int descriptor, std::string path)
    : descriptor_(descriptor), path_(std::move(path)) {
  reallocate(kReadBytes);
}

ByteWindow::ByteWindow(ByteWindow&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      waiting_(std::move(other.waiting_)),
      buffer_(std::move(other.buffer_)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)),
      offset_(other.offset_),
      at_end_(other.at_end_),
      failure_(std::move(other.failure_)) {}

ByteWindow::~ByteWindow() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ByteWindow::consume(std::size_t count) {
  begin_ += count;
  offset_ += count;
}

void ByteWindow::reallocate(std::size_t capacity) {
  auto larger = std::make_unique_for_overwrite<char[]>(capacity + kPadding);
  if (size() != 0) std::memcpy(larger.get(), data(), size());
  buffer_ = std::move(larger);
  capacity_ = capacity;
  end_ -= begin_;
  begin_ = 0;
  std::memset(buffer_.get() + end_, 0, kPadding);
}

// Half of the buffer at most is what an unfinished record keeps; more makes it double, and once
// such a record is gone the buffer goes back to its first size.
void ByteWindow::make_room() {
  if (size() > capacity_ / 2) return reallocate(capacity_ * 2);
  if (capacity_ > kReadBytes && size() <= kReadBytes / 2) return reallocate(kReadBytes);
  if (begin_ == 0) return;
  std::memmove(buffer_.get(), data(), size());
  end_ -= begin_;
  begin_ = 0;
}

/// As read(2); 0 also where a stop is requested while there is nothing to read.
ssize_t ByteWindow::read_some() {
  while (true) {
    if (waiting_ && !waiting_->wait(descriptor_)) return 0;
    const ssize_t count = ::read(descriptor_, buffer_.get() + end_, capacity_ - end_);
    if (count >= 0) return count;
    const bool again = errno == EINTR || (waiting_ && (errno == EAGAIN || errno == EWOULDBLOCK));
    if (!again) return count;
  }
}

bool ByteWindow::fill() {
  if (at_end_) return false;
  make_room();
  const ssize_t count = read_some();
  if (count < 0) {
    failure_ =
        Error{"read_failed", "'" + path_ + "' cannot be read at byte " +
                                 std::to_string(offset_ + size()) + ": " + system_message(errno)};
    failure_->fatal = true;
  }
  at_end_ = count <= 0;
  if (count > 0) end_ += static_cast<std::size_t>(count);
  std::memset(buffer_.get() + end_, 0, kPadding);
  return count > 0;
}

}  // namespace flowtts
