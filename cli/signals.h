#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>

#include <csignal>

namespace flowtts::cli {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP asks for an end by `token`, and the second
/// ends the process at once with 128 + its number. One within 0.3 s of the first is taken as its
/// echo: `timeout` and batch systems send a signal to the process and again to its group. A signal
/// that the process was started with ignored (as by nohup) stays ignored. SIGPIPE is ignored: a
/// reader of the output that goes away is no reason to end a run.
///
/// Made before any other thread, so that all of them have the signals blocked; ended on the same
/// thread. One thread waits for them, so that what follows is no signal handler's business.
class SignalGuard {
 public:
  /// \param on_first told the first signal's number, on the guard's thread.
  explicit SignalGuard(std::function<void(int)> on_first);
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  /// The first signal; 0 before that.
  int first() const { return first_.load(); }

 private:
  void wait();

  std::function<void(int)> on_first_;
  sigset_t awaited_{};
  sigset_t before_{};
  std::stop_source stop_;
  std::atomic<int> first_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace flowtts::cli
