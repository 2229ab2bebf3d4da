#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

/// What a child process is started with.
struct ProcessPlan {
  std::vector<std::string> command;  ///< A program without '/' is looked for in PATH.
  std::filesystem::path folder;      ///< Its working directory; an '/' in the program starts there.
  std::vector<std::string> environment;          ///< All of it, "NAME=value".
  std::function<void(const std::string&)> line;  ///< Takes each line that it prints; any thread.
};

/// A child process in a process group of its own, with a socket to it.
///
/// The child has one end of the socket pair as descriptor 3, nothing on its standard input, and
/// both of its outputs in a pipe whose lines are handed on. It dies with this process
/// (PR_SET_PDEATHSIG), and with it, when it ends or is killed, whatever it has started in its
/// group. It is started, listened to and reaped by a thread of its own that lives as long as it
/// does: the kernel sends the death signal when the thread that has forked ends, and a lane may end
/// before its worker.
///
/// Thread-safe. The destructor kills what is left and waits for it.
class ChildProcess {
 public:
  static constexpr int kSocket = 3;  ///< In the child.

  /// The Error "not_started" says which program cannot be started, and why.
  static Result<std::unique_ptr<ChildProcess>> start(ProcessPlan plan);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t id() const;

  /// This process's end of the socket pair; given away, once.
  int take_socket();

  /// Kills the process and its group, if it has not ended.
  void kill();

  /// Waits for the end; false where it did not come in time.
  bool wait(std::chrono::milliseconds most) const;

  /// How it ended: "exit status 1", "signal 9 (Killed)"; only after its end.
  std::string ending() const;

  /// The last lines that it has printed, one after the other; empty where it printed none.
  std::string last_lines() const;

 private:
  struct Impl;
  explicit ChildProcess(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Where a program is that a command names: itself where it has a '/', from `folder` if it is not
/// absolute; otherwise the first of that name in `path`, folders separated by ':'. Empty where
/// there is none that can be executed.
std::filesystem::path find_program(const std::string& name, const std::filesystem::path& folder,
                                   std::string_view path);

}  // namespace flowtts
