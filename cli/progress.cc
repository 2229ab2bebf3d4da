#include "cli/progress.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/format.h"

namespace flowtts::cli {
namespace {

/// Long enough to smooth batches, short enough to show that something has changed.
constexpr double kWindowSeconds = 30;
constexpr std::size_t kLabelWidth = 9;
constexpr std::size_t kWidestBar = 40;
constexpr std::size_t kNarrowestBar = 8;
constexpr std::size_t kTimesWidth = 34;  // kept free, so that the bar does not jump

std::uint64_t settled(const Ledger& ledger) {
  return ledger.written + ledger.filtered + ledger.failed;
}

/// Reading runs ahead of the work, so the share of the input is lowered by what is in flight.
double done_share(const RunProgress& progress) {
  if (progress.input_share < 0 || progress.records.read == 0) return progress.input_share;
  const double done =
      static_cast<double>(settled(progress.records)) / static_cast<double>(progress.records.read);
  return std::clamp(progress.input_share * done, 0.0, 1.0);
}

std::string bar(double share, std::size_t width, bool unicode) {
  const auto full = static_cast<std::size_t>(share * static_cast<double>(width));
  std::string text;
  for (std::size_t i = 0; i < width; ++i) {
    if (unicode) {
      text += i < full ? "█" : "░";
    } else {
      text += i < full ? '#' : '.';
    }
  }
  return text;
}

std::string times(const RunProgress& progress, const ProgressFigures& figures) {
  std::string text = format_duration(progress.seconds);
  if (figures.remaining_s) {
    text += fmt::format(", about {} left", format_duration(*figures.remaining_s));
  } else if (progress.input_share >= 1) {
    text += ", all is read";
  }
  return text;
}

Line label(const std::string& text) {
  Line line;
  return line.add(fmt::format("{:<{}}", text, kLabelWidth), Style::kDim);
}

Line share_line(const RunProgress& progress, const ProgressFigures& figures, std::size_t width,
                bool unicode) {
  const std::string when = times(progress, figures);
  if (figures.done_share < 0) return label("time").add(when);
  const std::string share = format_share(figures.done_share);
  const std::size_t others =
      kLabelWidth + 2 + std::max<std::size_t>(share.size(), 4) + std::max(kTimesWidth, when.size());
  Line line = label("done");
  if (width > others + kNarrowestBar) {
    const std::size_t room = std::min(kWidestBar, width - others);
    line.add(bar(figures.done_share, room, unicode), Style::kGreen).add(" ");
  }
  return line.add(fmt::format("{:>4}", share), Style::kBold).add(" " + when);
}

Line records_line(const RunProgress& progress) {
  const Ledger& records = progress.records;
  Line line = label("records");
  line.add(fmt::format("{} written, {} filtered, ", format_count(records.written),
                       format_count(records.filtered)));
  line.add(format_count(records.failed) + " failed",
           records.failed > 0 ? Style::kRed : Style::kPlain);
  return line.add(fmt::format(", {} in flight", format_count(records.unfinished)));
}

std::string output_text(const RunProgress& progress, const ProgressFigures& figures) {
  if (progress.media_seconds > 0) {
    return fmt::format("{} made, {} audio s/s", format_duration(progress.media_seconds),
                       format_rate(figures.media_rate));
  }
  return fmt::format("{} settled, {}/s", format_count(settled(progress.items)),
                     format_rate(figures.item_rate));
}

/// Where the work stands: what waits at a stage or is in it. The fullest is the one to look at.
std::optional<Line> stages_line(const RunProgress& progress) {
  std::uint64_t most = 0;
  for (const StageReport& stage : progress.stages) most = std::max(most, stage.queued);
  if (most == 0) return std::nullopt;
  Line line = label("in hand");
  bool first = true;
  for (const StageReport& stage : progress.stages) {
    if (stage.queued == 0) continue;
    line.add(first ? "" : ", ");
    line.add(fmt::format("{} {}", stage.id, format_count(stage.queued)),
             stage.queued == most ? Style::kBold : Style::kPlain);
    first = false;
  }
  return line;
}

}  // namespace

ProgressFigures ProgressHistory::add(const RunProgress& progress) {
  done_share_ = std::max(done_share_, done_share(progress));
  const Point now{progress.seconds, done_share_, progress.media_seconds,
                  static_cast<double>(settled(progress.items))};
  points_.push_back(now);
  while (points_.size() > 2 && now.seconds - points_[1].seconds >= kWindowSeconds) {
    points_.pop_front();
  }
  ProgressFigures figures;
  figures.done_share = done_share_;
  // With one point so far, the run's beginning is the other.
  const Point then = points_.size() > 1 ? points_.front() : Point{0, 0, 0, 0};
  const double elapsed = now.seconds - then.seconds;
  if (elapsed <= 0) return figures;
  figures.media_rate = (now.media_seconds - then.media_seconds) / elapsed;
  figures.item_rate = (now.items - then.items) / elapsed;
  const double share_rate = (done_share_ - std::max(0.0, then.done_share)) / elapsed;
  const bool meaningful = progress.seconds >= 2 && done_share_ > 0 && done_share_ < 1;
  if (meaningful && share_rate > 0) figures.remaining_s = (1 - done_share_) / share_rate;
  return figures;
}

std::vector<Line> progress_block(const RunProgress& progress, const ProgressFigures& figures,
                                 std::size_t width, bool unicode) {
  std::vector<Line> block;
  block.push_back(share_line(progress, figures, width, unicode));
  block.push_back(records_line(progress));
  block.push_back(
      label(progress.media_seconds > 0 ? "audio" : "items").add(output_text(progress, figures)));
  if (auto line = stages_line(progress)) block.push_back(std::move(*line));
  return block;
}

std::string progress_line(const RunProgress& progress, const ProgressFigures& figures) {
  const Ledger& records = progress.records;
  std::string text;
  if (figures.done_share >= 0) text = format_share(figures.done_share) + " done, ";
  text += times(progress, figures);
  text += fmt::format("; records: {} written, {} filtered, {} failed, {} in flight",
                      records.written, records.filtered, records.failed, records.unfinished);
  return text + fmt::format("; {}: {}", progress.media_seconds > 0 ? "audio" : "items",
                            output_text(progress, figures));
}

}  // namespace flowtts::cli
