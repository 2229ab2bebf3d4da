#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <flowtts/result.h>

namespace flowtts {

/// A window that slides forward over a file, a pipe or the standard input (`-`): the bytes read
/// but not yet consumed, contiguous, and followed by at least kPadding NUL bytes, so that a parser
/// that reads vectors or stops at NUL may run on it.
///
/// Memory is kReadBytes where `fill` is called with little left unconsumed; otherwise the window
/// grows by doubling to what the caller leaves in it. One thread; owns the file descriptor.
///
/// A pipe or a terminal may be silent for ever. Where a stop is requested meanwhile, from any
/// thread, the window ends there, as at the end of the file.
class ByteWindow {
 public:
  static constexpr std::size_t kReadBytes = 512 * 1024;
  static constexpr std::size_t kPadding = 64;

  /// Errors: "no_such_file", "not_a_file" (a folder), "unreadable", each naming the path.
  static Result<ByteWindow> open(const std::string& path, std::stop_token stop = {});

  ByteWindow(ByteWindow&& other) noexcept;
  ByteWindow& operator=(ByteWindow&&) = delete;
  ~ByteWindow();

  char* data() { return buffer_.get() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  /// The place in the file of the window's first byte.
  std::uint64_t offset() const { return offset_; }
  /// True once the file holds nothing beyond the window.
  bool at_end() const { return at_end_; }
  /// Set where the window ended because the file could not be read further.
  const std::optional<Error>& failure() const { return failure_; }

  /// Drops the first `count` bytes.
  void consume(std::size_t count);

  /// Reads on. False, with the window as it was, at the end of the file or on a failure.
  /// Invalidates `data`.
  bool fill();

 private:
  class Waiting;
  explicit ByteWindow(int descriptor, std::string path);
  std::ptrdiff_t read_some();
  void make_room();
  void reallocate(std::size_t capacity);

  int descriptor_;
  std::string path_;
  std::unique_ptr<Waiting> waiting_;  ///< Null for what never lets a reader wait.
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;
  bool at_end_ = false;
  std::optional<Error> failure_;
};

}  // namespace flowtts
