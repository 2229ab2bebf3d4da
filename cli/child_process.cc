#include "cli/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/prctl.h>
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

/// How a process group of its own is asked for.
class Attributes {
 public:
  explicit Attributes(bool own_group) {
    ::posix_spawnattr_init(&attributes_);
    if (!own_group) return;
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

/// Starts the program with its stdout in the pipe. 0 or what the system said.
int start(const std::vector<std::string>& words, bool own_group, const Pipe& pipe, pid_t& child) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  if (const int failed = ::posix_spawn_file_actions_init(&actions)) return failed;
  ::posix_spawn_file_actions_adddup2(&actions, pipe.writer(), STDOUT_FILENO);
  const Attributes attributes(own_group);
  const int failed =
      ::posix_spawnp(&child, arguments[0], &actions, attributes.get(), arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  return failed;
}

/// Until it has ended; its number stays its own until it is reaped.
void await_end(pid_t child) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) < 0 &&
         errno == EINTR) {
  }
}

void reap(pid_t child, ChildResult& result) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + result.signal;
}

Result<ChildResult> run(const std::vector<std::string>& words, const std::stop_token* stop) {
  Pipe pipe;
  if (pipe.failed() != 0) return not_started(words.front(), pipe.failed());
  pid_t child = 0;
  if (const int failed = start(words, stop != nullptr, pipe, child)) {
    return not_started(words.front(), failed);
  }
  pipe.close_writer();
  ChildResult result;
  {
    const std::stop_callback interrupt(stop ? *stop : std::stop_token(),
                                       [child] { ::kill(child, SIGTERM); });
    result.output = pipe.read_all();
    await_end(child);
  }
  reap(child, result);
  return result;
}

}  // namespace

Result<ChildResult> run_child(const std::vector<std::string>& words) { return run(words, nullptr); }

Result<ChildResult> run_child(const std::vector<std::string>& words, const std::stop_token& stop) {
  return run(words, &stop);
}

void end_with_parent() { ::prctl(PR_SET_PDEATHSIG, SIGKILL); }

}  // namespace flowtts::cli
