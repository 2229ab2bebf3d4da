#include "stages/neural/worker/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace flowtts {
namespace {

constexpr std::size_t kLongestLine = 2000;
constexpr std::size_t kLinesKept = 12;

/// A descriptor that is closed with the object.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset();
    number_ = std::exchange(other.number_, -1);
    return *this;
  }

  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  void reset() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
};

struct Pair {
  Descriptor ours;
  Descriptor theirs;
};

Pair make_socket_pair() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return {};
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

Pair make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  all.reserve(words.size() + 1);
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

/// What the child needs between fork and exec, where only async-signal-safe calls are allowed.
struct ChildSetup {
  const char* program;
  char* const* arguments;
  char* const* environment;
  const char* folder;
  int socket;
  int output;
  int failure;  ///< Takes errno where there is no exec.
  pid_t parent;
};

[[noreturn]] void fail_in_child(const ChildSetup& setup) {
  const int code = errno;
  [[maybe_unused]] const ssize_t ignored = ::write(setup.failure, &code, sizeof code);
  ::_exit(127);
}

[[noreturn]] void run_child(const ChildSetup& setup) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != setup.parent) ::_exit(127);  // it died before the call
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_DFL);
  // Out of the way first: one of them may have the number that another is to get.
  const int socket = ::fcntl(setup.socket, F_DUPFD_CLOEXEC, 10);
  const int output = ::fcntl(setup.output, F_DUPFD_CLOEXEC, 10);
  const int failure = ::fcntl(setup.failure, F_DUPFD_CLOEXEC, 10);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ChildSetup moved = setup;
  moved.failure = failure;
  if (socket < 0 || output < 0 || failure < 0 || nothing < 0) fail_in_child(setup);
  if (::dup2(nothing, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(output, STDERR_FILENO) < 0 || ::dup2(socket, ChildProcess::kSocket) < 0) {
    fail_in_child(moved);
  }
  // Descriptors that somebody in this process has opened without O_CLOEXEC are not for the child.
  constexpr unsigned kCloseOnExec = 1U << 2U;  // CLOSE_RANGE_CLOEXEC
  ::syscall(SYS_close_range, ChildProcess::kSocket + 1, ~0U, kCloseOnExec);
  if (::chdir(setup.folder) != 0) fail_in_child(moved);
  ::execve(setup.program, setup.arguments, setup.environment);
  fail_in_child(moved);
}

/// No control character, which a terminal would obey.
bool is_printable(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; }

/// Cuts what a process prints into lines.
class LineCutter {
 public:
  template <class Take>
  void add(std::string_view text, const Take& take) {
    for (const char c : text) {
      // A progress bar returns to the start of its line.
      if (c == '\n' || c == '\r') {
        end(take);
      } else if (line_.size() < kLongestLine && (c == '\t' || is_printable(c))) {
        line_ += c;
      }
    }
  }
  template <class Take>
  void end(const Take& take) {
    while (!line_.empty() && line_.back() == ' ') line_.pop_back();
    if (!line_.empty()) take(line_);
    line_.clear();
  }

 private:
  std::string line_;
};

std::string text_of_status(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

Error not_started(const std::string& program, std::string_view why) {
  return {"not_started", fmt::format("{} cannot be started: {}", program, why), false, true};
}

std::string system_text(int code) { return std::generic_category().message(code); }

std::string variable(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=') {
      return entry.substr(name.size() + 1);
    }
  }
  return "";
}

}  // namespace

std::filesystem::path find_program(const std::string& name, const std::filesystem::path& folder,
                                   std::string_view path) {
  const auto executable = [](const std::filesystem::path& file) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(file, ignored) && ::access(file.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) {
    const std::filesystem::path file = folder / name;
    return executable(file) ? file : std::filesystem::path();
  }
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::filesystem::path file = folder / path.substr(begin, end - begin) / name;
    if (executable(file)) return file;
    begin = end + 1;
  }
  return {};
}

struct ChildProcess::Impl {
  ProcessPlan plan;
  Descriptor socket;
  Descriptor output;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  pid_t pid = 0;
  bool reaped = false;
  int status = 0;
  std::deque<std::string> lines;

  std::thread thread;

  void run(std::promise<std::optional<Error>> started);
  std::optional<Error> spawn();
  void listen();
  void reap();
  void kill();
  bool read_output(LineCutter& cutter);
  void take(const std::string& line);
};

void ChildProcess::Impl::run(std::promise<std::optional<Error>> started) {
  std::optional<Error> failure = spawn();
  const bool failed = failure.has_value();
  started.set_value(std::move(failure));
  if (failed) return;
  listen();
  kill();  // what it has left behind in its group
  reap();
}

std::optional<Error> ChildProcess::Impl::spawn() {
  const std::string name = plan.command.front();
  const std::string search = variable(plan.environment, "PATH");
  const std::string program = find_program(name, plan.folder, search);
  if (program.empty()) {
    return not_started(name, name.find('/') == std::string::npos
                                 ? "no folder of PATH has such a program"
                                 : "there is no such program");
  }
  Pair sockets = make_socket_pair();
  Pair outputs = make_pipe();
  Pair failures = make_pipe();
  if (sockets.ours.get() < 0 || outputs.ours.get() < 0 || failures.ours.get() < 0) {
    return not_started(name, system_text(errno));
  }
  const std::string folder = plan.folder.string();
  const std::vector<char*> arguments = pointers(plan.command);
  const std::vector<char*> environment = pointers(plan.environment);
  const ChildSetup setup{
      program.c_str(),      arguments.data(),     environment.data(),    folder.c_str(),
      sockets.theirs.get(), outputs.theirs.get(), failures.theirs.get(), ::getpid()};
  const pid_t child = ::fork();
  if (child == 0) run_child(setup);
  if (child < 0) return not_started(name, system_text(errno));
  ::setpgid(child, child);  // whoever is first; the other call fails and need not be made
  failures.theirs.reset();
  int code = 0;
  ssize_t count = 0;
  do {
    count = ::read(failures.ours.get(), &code, sizeof code);
  } while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(sizeof code)) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return not_started(name, system_text(code));
  }
  ::fcntl(outputs.ours.get(), F_SETFL, O_NONBLOCK);
  socket = std::move(sockets.ours);
  output = std::move(outputs.ours);
  const std::lock_guard lock(mutex);
  pid = child;
  return std::nullopt;
}

/// Until the process itself has ended; a child of its own may hold the pipe longer.
void ChildProcess::Impl::listen() {
  constexpr int kWithoutDescriptor = 50;  // milliseconds, for kernels older than 5.3
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  LineCutter cutter;
  bool open = true;
  for (;;) {
    std::array<pollfd, 2> waiting{
        {{process.get(), POLLIN, 0}, {open ? output.get() : -1, POLLIN, 0}}};
    const int most = process.get() < 0 ? kWithoutDescriptor : -1;
    if (::poll(waiting.data(), waiting.size(), most) < 0 && errno != EINTR) break;
    if (open && waiting[1].revents != 0) open = read_output(cutter);
    siginfo_t info{};
    const bool asks = process.get() < 0 || waiting[0].revents != 0;
    if (asks && ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
        info.si_pid == pid) {
      break;
    }
  }
  while (open && read_output(cutter)) {
    pollfd more{output.get(), POLLIN, 0};
    if (::poll(&more, 1, 0) <= 0) break;
  }
  cutter.end([this](const std::string& line) { take(line); });
}

/// False at the end.
bool ChildProcess::Impl::read_output(LineCutter& cutter) {
  std::array<char, 4096> block{};
  const ssize_t count = ::read(output.get(), block.data(), block.size());
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  cutter.add({block.data(), static_cast<std::size_t>(count)},
             [this](const std::string& line) { take(line); });
  return true;
}

void ChildProcess::Impl::take(const std::string& line) {
  {
    const std::lock_guard lock(mutex);
    lines.push_back(line);
    if (lines.size() > kLinesKept) lines.pop_front();
  }
  if (plan.line) plan.line(line);
}

void ChildProcess::Impl::kill() {
  const std::lock_guard lock(mutex);
  // Until it has been reaped nobody else can have its number, nor its group's.
  if (pid > 0 && !reaped) ::kill(-pid, SIGKILL);
}

void ChildProcess::Impl::reap() {
  int ended = 0;
  const std::lock_guard lock(mutex);
  while (::waitpid(pid, &ended, 0) < 0 && errno == EINTR) {
  }
  status = ended;
  reaped = true;
  changed.notify_all();
}

ChildProcess::ChildProcess(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(ProcessPlan plan) {
  auto impl = std::make_unique<Impl>();
  // The child changes to it before it looks at a relative path.
  plan.folder = plan.folder.empty() ? std::filesystem::current_path()
                                    : std::filesystem::absolute(plan.folder);
  impl->plan = std::move(plan);
  std::promise<std::optional<Error>> started;
  auto result = started.get_future();
  try {
    impl->thread = std::thread(
        [promise = std::move(started), of = impl.get()]() mutable { of->run(std::move(promise)); });
  } catch (const std::system_error& error) {
    return not_started(impl->plan.command.front(), error.what());
  }
  if (std::optional<Error> failure = result.get()) {
    impl->thread.join();
    return *std::move(failure);
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(std::move(impl)));
}

ChildProcess::~ChildProcess() {
  kill();
  if (impl_->thread.joinable()) impl_->thread.join();
}

pid_t ChildProcess::id() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->pid;
}

int ChildProcess::take_socket() { return impl_->socket.release(); }

void ChildProcess::kill() { impl_->kill(); }

bool ChildProcess::wait(std::chrono::milliseconds most) const {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, most, [this] { return impl_->reaped; });
}

std::string ChildProcess::ending() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->reaped ? text_of_status(impl_->status) : "running";
}

std::string ChildProcess::last_lines() const {
  const std::lock_guard lock(impl_->mutex);
  return fmt::format("{}", fmt::join(impl_->lines, "\n"));
}

}  // namespace flowtts
