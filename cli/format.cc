#include "cli/format.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace flowtts::cli {

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds > 1e12) return "for ever";
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {} h", whole / 86400, whole % 86400 / 3600);
}

std::string format_count(std::uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string format_rate(double rate) {
  if (!std::isfinite(rate) || rate < 0) return "?";
  if (rate < 0.995) return fmt::format("{:.2f}", rate);
  if (rate < 9.95) return fmt::format("{:.1f}", rate);
  return format_count(static_cast<std::uint64_t>(std::llround(std::min(rate, 1e15))));
}

std::string format_share(double share) {
  const double percent = std::clamp(share, 0.0, 1.0) * 100;
  if (percent > 0 && percent < 1) return fmt::format("{:.1f}%", std::max(percent, 0.1));
  return fmt::format("{:.0f}%", percent < 100 ? std::floor(percent) : 100.0);
}

std::string format_number_of(std::uint64_t count, const std::string& noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

}  // namespace flowtts::cli
