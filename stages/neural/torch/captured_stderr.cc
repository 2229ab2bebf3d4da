#include "stages/neural/torch/captured_stderr.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace flowtts {
namespace {

void write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

CapturedStderr::CapturedStderr() {
  captured_ = ::memfd_create("flowtts-stderr", MFD_CLOEXEC);
  if (captured_ < 0) return;
  std::fflush(stderr);
  kept_ = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  if (kept_ >= 0) ::dup2(captured_, STDERR_FILENO);
}

CapturedStderr::~CapturedStderr() {
  if (kept_ >= 0) {
    std::fflush(stderr);
    ::dup2(kept_, STDERR_FILENO);
    write_all(STDERR_FILENO, others_ + take());
    ::close(kept_);
  }
  if (captured_ >= 0) ::close(captured_);
}

std::string CapturedStderr::take_errors() {
  constexpr std::string_view kError = "Error: ";
  const std::string text = take();
  std::string errors;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.starts_with(kError)) {
      errors += (errors.empty() ? "" : "; ") + std::string(line.substr(kError.size()));
    } else if (!line.empty()) {
      others_ += std::string(line) + "\n";
    }
    begin = end + 1;
  }
  return errors;
}

std::string CapturedStderr::take() {
  std::string text;
  if (kept_ < 0) return text;
  const off_t size = ::lseek(captured_, 0, SEEK_END);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  const ssize_t read = ::pread(captured_, text.data(), text.size(), 0);
  text.resize(read > 0 ? static_cast<std::size_t>(read) : 0);
  if (::ftruncate(captured_, 0) == 0) ::lseek(captured_, 0, SEEK_SET);
  return text;
}

}  // namespace flowtts
