#include "cli/signals.h"

#include <chrono>

#include <pthread.h>
#include <unistd.h>

namespace flowtts::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kEcho = std::chrono::milliseconds(300);

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

SignalGuard::SignalGuard(std::function<void(int)> on_first) : on_first_(std::move(on_first)) {
  ::signal(SIGPIPE, SIG_IGN);
  ::sigemptyset(&awaited_);
  ::sigaddset(&awaited_, SIGRTMIN);  // wakes the thread at the end; nobody else uses it
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // A blocked signal reaches sigwait even where it is ignored.
    if (!is_ignored(signal)) ::sigaddset(&awaited_, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &awaited_, &before_);
  thread_ = std::thread([this] { wait(); });
}

SignalGuard::~SignalGuard() {
  ending_.store(true);
  ::pthread_kill(thread_.native_handle(), SIGRTMIN);
  thread_.join();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void SignalGuard::wait() {
  Clock::time_point first_came;
  while (!ending_.load()) {
    int signal = 0;
    if (::sigwait(&awaited_, &signal) != 0 || signal == SIGRTMIN) continue;
    if (first_.load() != 0) {
      if (Clock::now() - first_came < kEcho) continue;
      ::_exit(128 + signal);
    }
    first_came = Clock::now();
    first_.store(signal);
    stop_.request_stop();
    if (on_first_) on_first_(signal);
  }
}

}  // namespace flowtts::cli
