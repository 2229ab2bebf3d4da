#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/run.h>

#include "cli/text.h"

namespace flowtts::cli {

/// What a progress display shows besides one RunProgress: it follows from those before.
struct ProgressFigures {
  double done_share = -1;  ///< Of the input, read and settled; never falls. Negative: not known.
  double media_rate = 0;   ///< Media seconds a second, of late.
  double item_rate = 0;    ///< Items settled a second, of late.
  std::optional<double> remaining_s;
};

/// Remembers how a run stood in the last half minute or so.
class ProgressHistory {
 public:
  ProgressFigures add(const RunProgress& progress);

 private:
  struct Point {
    double seconds;
    double done_share;
    double media_seconds;
    double items;
  };
  std::deque<Point> points_;
  double done_share_ = -1;
};

/// The display that is redrawn on a terminal: two to four lines.
std::vector<Line> progress_block(const RunProgress& progress, const ProgressFigures& figures,
                                 std::size_t width, bool unicode);

/// The same in one line, for logs.
std::string progress_line(const RunProgress& progress, const ProgressFigures& figures);

}  // namespace flowtts::cli
