#include "stages/neural/worker/printed_lines.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace flowtts {
namespace {

constexpr std::size_t kLongestLine = 2000;
constexpr std::string_view kTraceback = "Traceback (most recent call last)";

/// No control character, which a terminal would obey.
bool is_printable(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; }

/// 1234 as "1,234".
std::string grouped(std::size_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t place = digits.size(); place > 3;) {
    place -= 3;
    digits.insert(place, 1, ',');
  }
  return digits;
}

}  // namespace

void LineCutter::add(std::string_view text, const TakeLine& take) {
  for (const char c : text) {
    if (c == '\n') {
      end(take);
    } else if (c == '\r') {
      returned_ = true;
    } else if (c == '\t' || is_printable(c)) {
      if (returned_) line_.clear();
      returned_ = false;
      if (line_.size() < kLongestLine) line_ += c;
    }
  }
}

void LineCutter::end(const TakeLine& take) {
  while (!line_.empty() && line_.back() == ' ') line_.pop_back();
  if (!line_.empty()) take(line_);
  line_.clear();
  returned_ = false;
}

void LogLimiter::Allowance::fill(Time now) {
  if (filled != Time{}) {
    const double seconds = std::chrono::duration<double>(now - filled).count();
    lines = std::min(kBurst, lines + std::max(0.0, seconds) * kPerSecond);
  }
  filled = now;
}

void LogLimiter::add(const std::string& line, Time now) {
  usual_.fill(now);
  for_tracebacks_.fill(now);
  if (in_traceback(line)) {
    for_tracebacks_.lines -= static_cast<double>(held_.size() + 1);
    flush();
    take_(line);
  } else if (held_.empty() && usual_.lines >= 1) {
    usual_.lines -= 1;
    take_(line);
  } else {
    hold(line);
    tick(now);
  }
}

/// From the line that announces one to the first that is not indented, which names the exception.
bool LogLimiter::in_traceback(const std::string& line) {
  const bool begins = line.find(kTraceback) != std::string::npos;
  if (begins && for_tracebacks_.lines > static_cast<double>(kHeld)) traceback_ = true;
  if (!traceback_) return false;
  traceback_ = for_tracebacks_.lines >= 2 && (begins || line.starts_with(' '));
  return true;
}

void LogLimiter::hold(const std::string& line) {
  held_.push_back(line);
  if (held_.size() <= kHeld) return;
  held_.pop_front();
  ++left_out_;
}

void LogLimiter::tick(Time now) {
  if (held_.empty()) return;
  usual_.fill(now);
  if (usual_.lines < static_cast<double>(kHeld)) return;
  usual_.lines -= static_cast<double>(held_.size());
  flush();
}

std::optional<std::chrono::milliseconds> LogLimiter::next_tick(Time now) const {
  if (held_.empty()) return std::nullopt;
  Allowance then = usual_;
  then.fill(now);
  const double missing = std::max(0.0, static_cast<double>(kHeld) - then.lines);
  return std::chrono::milliseconds(static_cast<int>(std::ceil(missing / kPerSecond * 1000)));
}

void LogLimiter::end() { flush(); }

void LogLimiter::flush() {
  if (left_out_ > 0)
    take_(fmt::format("... {} {} left out", grouped(left_out_), left_out_ == 1 ? "line" : "lines"));
  for (const std::string& line : held_) take_(line);
  held_.clear();
  left_out_ = 0;
}

}  // namespace flowtts
