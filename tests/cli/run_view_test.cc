#include "cli/run_view.h"

#include <cstdio>
#include <memory>

#include <doctest/doctest.h>

using namespace flowtts;
using namespace flowtts::cli;

namespace {

/// A stream that is no terminal, and what was written to it.
class Paper {
 public:
  Paper() : file_(std::tmpfile(), std::fclose) { REQUIRE(file_); }
  Terminal terminal() const { return Terminal(file_.get()); }
  std::string text() const {
    std::rewind(file_.get());
    std::string text(4096, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file_.get()));
    return text;
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

RunProgress after(double seconds) {
  RunProgress progress;
  progress.seconds = seconds;
  progress.records.unfinished = 3;
  return progress;
}

}  // namespace

TEST_CASE("where there is no terminal, a plain line comes every ten seconds") {
  const Paper paper;
  CHECK(RunView::mode_for(paper.terminal(), false) == RunView::Mode::kLines);
  RunView view(RunView::Mode::kLines, paper.terminal());
  view.message(MessageLevel::kInfo, "run begins");
  for (const double seconds : {0.1, 5.0, 9.9, 12.0, 18.0, 20.0}) view.progress(after(seconds));
  view.close();
  CHECK(paper.text() ==
        "run begins\n"
        "9.9 s; records: 0 written, 0 filtered, 0 failed, 3 in flight; items: 0 settled, 0.00/s\n"
        "20 s; records: 0 written, 0 filtered, 0 failed, 3 in flight; items: 0 settled, 0.00/s\n");
}

TEST_CASE("a quiet view shows warnings and errors, and nothing else") {
  const Paper paper;
  CHECK(RunView::mode_for(paper.terminal(), true) == RunView::Mode::kQuiet);
  RunView view(RunView::Mode::kQuiet, paper.terminal());
  view.message(MessageLevel::kInfo, "run begins");
  view.progress(after(30));
  view.message(MessageLevel::kWarning, "a stage stalls");
  view.message(MessageLevel::kError, "the disk is full");
  CHECK(view.has_shown("the disk is full"));
  CHECK_FALSE(view.has_shown("a stage stalls"));
  CHECK(paper.text() == "warning: a stage stalls\nerror: the disk is full\n");
}

TEST_CASE("the live block is replaced line by line, stays below messages and goes at the end") {
  const Paper paper;
  RunView view(RunView::Mode::kLive, paper.terminal());
  view.message(MessageLevel::kInfo, "run begins");
  view.progress(after(1));
  view.message(MessageLevel::kWarning, "a stage stalls");
  view.close();
  view.progress(after(2));
  const std::string block =
      "time     1.0 s\n"
      "records  0 written, 0 filtered, 0 failed, 3 in flight\n"
      "items    0 settled, 0.00/s\n";
  CHECK(paper.text() == "run begins\nstarting ...\n\x1b[1F\x1b[J" + block +
                            "\x1b[3F\x1b[Jwarning: a stage stalls\n" + block + "\x1b[3F\x1b[J");
}
