#pragma once

#include <cstdint>
#include <string>

namespace flowtts::cli {

/// Figures as a person reads them.

/// "0.8 s", "42 s", "2 min 5 s", "1 h 2 min", "3 d 4 h"; what is below the last unit is cut off.
std::string format_duration(double seconds);

/// "1,234,567"
std::string format_count(std::uint64_t count);

/// "0.25", "7.5", "152", "12,345"
std::string format_rate(double rate);

/// "0.4%", "43%"; "100%" only where it is all.
std::string format_share(double share);

/// "1 record", "3 records"
std::string format_number_of(std::uint64_t count, const std::string& noun);

}  // namespace flowtts::cli
