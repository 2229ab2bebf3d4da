#include "cli/run_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/command.h"

namespace flowtts::cli {
namespace {

constexpr double kSecondsBetweenLines = 10;

std::string labelled(MessageLevel level, const std::string& text, bool colour) {
  switch (level) {
    case MessageLevel::kInfo:
      return text;
    case MessageLevel::kWarning:
      return paint("warning:", Style::kYellow, colour) + " " + text;
    case MessageLevel::kError:
      return paint("error:", Style::kRed, colour) + " " + text;
  }
  return text;
}

}  // namespace

RunView::RunView(Mode mode, Terminal terminal) : mode_(mode), terminal_(terminal) {}

RunView::Mode RunView::mode_for(const Terminal& terminal, bool quiet) {
  if (quiet) return Mode::kQuiet;
  return terminal.can_redraw() ? Mode::kLive : Mode::kLines;
}

double RunView::progress_every_s(Mode mode) {
  return mode == Mode::kLive ? 0.2 : kSecondsBetweenLines;
}

void RunView::message(MessageLevel level, const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (level == MessageLevel::kError) errors_.insert(text);
  if (level == MessageLevel::kInfo && mode_ == Mode::kQuiet) return;
  erase();
  print(labelled(level, text, terminal_.colour()) + "\n");
  if (block_.empty()) block_.push_back(Line().add("starting ...", Style::kDim));
  draw();
}

void RunView::progress(const RunProgress& progress) {
  const std::lock_guard lock(mutex_);
  if (mode_ == Mode::kQuiet || closed_) return;
  const ProgressFigures figures = history_.add(progress);
  if (mode_ == Mode::kLive) {
    block_ = progress_block(progress, figures, terminal_.width() - 1, terminal_.unicode());
    erase();
    draw();
    return;
  }
  const bool ended = progress.input_share >= 1 && progress.records.unfinished == 0;
  if (ended || progress.seconds - last_line_s_ < 0.9 * kSecondsBetweenLines) return;
  last_line_s_ = progress.seconds;
  print(progress_line(progress, figures) + "\n");
}

void RunView::close() {
  const std::lock_guard lock(mutex_);
  erase();
  closed_ = true;
}

bool RunView::has_shown(const std::string& error) const {
  const std::lock_guard lock(mutex_);
  return errors_.contains(error);
}

void RunView::erase() {
  if (drawn_.empty()) return;
  // A terminal that has become narrower has broken the lines.
  std::size_t rows = 0;
  const std::size_t width = terminal_.width();
  for (const std::size_t line : drawn_)
    rows += std::max<std::size_t>(1, (line + width - 1) / width);
  print(fmt::format("\x1b[{}F\x1b[J", rows));
  drawn_.clear();
}

void RunView::draw() {
  if (mode_ != Mode::kLive || closed_) return;
  const std::size_t most = terminal_.width() - 1;
  std::string text;
  for (const Line& line : block_) {
    text += line.text(most, terminal_.colour()) + "\n";
    drawn_.push_back(std::min(most, line.width()));
  }
  print(text);
}

void RunView::print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), terminal_.stream());
  std::fflush(terminal_.stream());
}

}  // namespace flowtts::cli
