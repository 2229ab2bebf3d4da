#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <flowtts/run.h>

#include "cli/progress.h"
#include "cli/terminal.h"

namespace flowtts::cli {

/// Shows a run on stderr while it goes on. Thread-safe.
class RunView final : public RunObserver {
 public:
  enum class Mode {
    kQuiet,  ///< Warnings and errors alone.
    kLines,  ///< A line now and then.
    kLive,   ///< A block that is redrawn in place, below the messages.
  };

  explicit RunView(Mode mode, Terminal terminal = Terminal(stderr));
  ~RunView() override { close(); }

  static Mode mode_for(const Terminal& terminal, bool quiet);
  /// How often `progress` should be called in this mode.
  static double progress_every_s(Mode mode);

  void message(MessageLevel level, const std::string& text) override;
  void progress(const RunProgress& progress) override;

  /// Takes the block away; nothing is drawn afterwards.
  void close();

  /// Whether this error has been shown as a message.
  bool has_shown(const std::string& error) const;

 private:
  void erase();
  void draw();
  void print(const std::string& text);

  const Mode mode_;
  const Terminal terminal_;
  mutable std::mutex mutex_;
  ProgressHistory history_;
  std::vector<Line> block_;
  std::vector<std::size_t> drawn_;  ///< The width of each line on the screen.
  std::set<std::string> errors_;
  double last_line_s_ = 0;
  bool closed_ = false;
};

}  // namespace flowtts::cli
