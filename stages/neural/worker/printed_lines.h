#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace flowtts {

using TakeLine = std::function<void(const std::string&)>;

/// Cuts what a process prints into lines, without control characters, blanks at their end and what
/// is beyond 2,000 bytes. What follows a carriage return takes the place of what stands before it,
/// as on a terminal: a progress bar is one line, its last state. Empty lines are left out.
class LineCutter {
 public:
  void add(std::string_view text, const TakeLine& take);
  void end(const TakeLine& take);  ///< Of the text, or of a line.

 private:
  std::string line_;
  bool returned_ = false;  ///< Whether the next character begins the line anew.
};

/// Keeps what one process prints from flooding a log: a line for each sentence is more than anybody
/// reads. It hands on kBurst lines at once and kPerSecond in the long run; then it holds the last
/// ones back, up to kHeld, and counts those before them. As soon as it may again, it says how many
/// were left out and hands on the ones held: a log has passages that can be read, not single lines.
///
/// So these are never lost: what was printed last before a process ended, however much it was, and
/// what was printed last before it fell silent. A Python traceback is handed on at once with the
/// lines before it, within a second allowance of the same size.
///
/// For one thread. Time comes from the caller.
class LogLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr double kBurst = 200;
  static constexpr double kPerSecond = 10;
  static constexpr std::size_t kHeld = 40;

  explicit LogLimiter(TakeLine take) : take_(std::move(take)) {}

  void add(const std::string& line, Time now);
  /// Hands on what is held, if it may by now.
  void tick(Time now);
  /// How long until `tick` will hand something on; nothing where nothing is held.
  std::optional<std::chrono::milliseconds> next_tick(Time now) const;
  /// Hands on what is held. At the end of the process.
  void end();

 private:
  /// Lines that may be handed on: grows with time, up to kBurst.
  struct Allowance {
    double lines = kBurst;
    Time filled{};

    void fill(Time now);
  };

  bool in_traceback(const std::string& line);
  void hold(const std::string& line);
  void flush();

  TakeLine take_;
  Allowance usual_;
  Allowance for_tracebacks_;
  bool traceback_ = false;  ///< Whether the last line was within one.
  std::deque<std::string> held_;
  std::size_t left_out_ = 0;
};

}  // namespace flowtts
