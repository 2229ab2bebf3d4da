#include "cli/child_process.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace flowtts::cli {
namespace {

Error not_started(const std::string& program, int code) {
  return {"not_started",
          fmt::format("{} cannot be started: {}", program, std::generic_category().message(code)),
          false, true};
}

/// Both ends of a pipe, closed at the end, neither inherited unless it is asked for.
class Pipe {
 public:
  Pipe() : failed_(::pipe2(ends_.data(), O_CLOEXEC) == 0 ? 0 : errno) {}
  ~Pipe() {
    close_writer();
    if (ends_[0] >= 0) ::close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int failed() const { return failed_; }
  int writer() const { return ends_[1]; }
  void close_writer() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  std::string read_all() const {
    std::string text;
    std::array<char, 4096> block{};
    for (;;) {
      const ssize_t count = ::read(ends_[0], block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return text;
      text.append(block.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  std::array<int, 2> ends_{-1, -1};
  int failed_;
};

/// Starts the program with its stdout in the pipe. 0 or what the system said.
int start(const std::vector<std::string>& words, const Pipe& pipe, pid_t& child) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  if (const int failed = ::posix_spawn_file_actions_init(&actions)) return failed;
  ::posix_spawn_file_actions_adddup2(&actions, pipe.writer(), STDOUT_FILENO);
  const int failed =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  return failed;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<ChildResult> run_child(const std::vector<std::string>& words) {
  Pipe pipe;
  if (pipe.failed() != 0) return not_started(words.front(), pipe.failed());
  pid_t child = 0;
  if (const int failed = start(words, pipe, child)) return not_started(words.front(), failed);
  pipe.close_writer();
  ChildResult result;
  result.output = pipe.read_all();
  result.status = wait_for(child);
  return result;
}

}  // namespace flowtts::cli
