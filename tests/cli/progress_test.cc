#include "cli/progress.h"

#include <sstream>

#include <doctest/doctest.h>

using namespace flowtts;
using namespace flowtts::cli;

namespace {

RunProgress at(double seconds, double input_share, std::uint64_t read, std::uint64_t in_flight) {
  RunProgress progress;
  progress.seconds = seconds;
  progress.input_share = input_share;
  progress.records.read = read;
  progress.records.unfinished = in_flight;
  progress.records.written = read - in_flight;
  progress.items = progress.records;
  return progress;
}

StageReport stage(std::string id, std::uint64_t queued) {
  StageReport report;
  report.id = std::move(id);
  report.queued = queued;
  return report;
}

std::string text(const RunProgress& progress, const ProgressFigures& figures, std::size_t width) {
  std::string text;
  for (const Line& line : progress_block(progress, figures, width, false)) {
    text += line.text(width, false) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("what is done is what was read, less what is still in flight, and never falls") {
  ProgressHistory history;
  CHECK(history.add(at(1, 0.5, 100, 50)).done_share == doctest::Approx(0.25));
  CHECK(history.add(at(2, 0.5, 100, 60)).done_share == doctest::Approx(0.25));
  CHECK(history.add(at(3, 1.0, 200, 0)).done_share == doctest::Approx(1));
}

TEST_CASE("the remaining time follows from the pace of late, and is not told before there is one") {
  ProgressHistory history;
  CHECK_FALSE(history.add(at(0.5, 0.1, 10, 0)).remaining_s);
  history.add(at(10, 0.2, 20, 0));
  const auto figures = history.add(at(20, 0.3, 30, 0));
  REQUIRE(figures.remaining_s);
  CHECK(*figures.remaining_s == doctest::Approx(0.7 / (0.2 / 19.5)));
  CHECK_FALSE(history.add(at(21, 1, 40, 0)).remaining_s);
}

TEST_CASE("rates are those of the last half minute") {
  ProgressHistory history;
  for (int second = 0; second <= 100; ++second) {
    RunProgress progress = at(second, -1, 0, 0);
    progress.media_seconds = second < 60 ? 0 : 10.0 * (second - 60);
    const ProgressFigures figures = history.add(progress);
    if (second == 100) CHECK(figures.media_rate == doctest::Approx(10));
    CHECK(figures.done_share < 0);
    CHECK_FALSE(figures.remaining_s);
  }
}

TEST_CASE("the block shows share, times, records, audio and where the work stands") {
  RunProgress progress = at(72, 0.43, 2000, 12);
  progress.records.written = 86;
  progress.records.filtered = 1902;
  progress.media_seconds = 754;
  progress.stages = {stage("load", 0), stage("phonemize", 2), stage("synthesize", 118),
                     stage("resample", 3)};
  ProgressFigures figures;
  figures.done_share = 0.43;
  figures.media_rate = 152;
  figures.remaining_s = 95;
  CHECK(text(progress, figures, 79) ==
        "done     ############..................  43% 1 min 12 s, about 1 min 35 s left\n"
        "records  86 written, 1,902 filtered, 0 failed, 12 in flight\n"
        "audio    12 min 34 s made, 152 audio s/s\n"
        "in hand  phonemize 2, synthesize 118, resample 3\n");
  CHECK(
      progress_line(progress, figures) ==
      "43% done, 1 min 12 s, about 1 min 35 s left; records: 86 written, 1902 filtered, 0 failed, "
      "12 in flight; audio: 12 min 34 s made, 152 audio s/s");
}

TEST_CASE("a pipeline without sound counts items, and an input of unknown length has no bar") {
  RunProgress progress = at(4.2, -1, 30, 10);
  ProgressFigures figures;
  figures.item_rate = 4.8;
  CHECK(text(progress, figures, 79) ==
        "time     4.2 s\n"
        "records  20 written, 0 filtered, 0 failed, 10 in flight\n"
        "items    20 settled, 4.8/s\n");
}

TEST_CASE("no line is wider than the terminal, and where it is narrow there is no bar") {
  RunProgress progress = at(72, 0.5, 2000, 12);
  progress.stages = {stage("a_stage_with_quite_a_long_name", 5), stage("another_such_stage", 7)};
  ProgressFigures figures;
  figures.done_share = 0.5;
  for (const std::size_t width : {10U, 20U, 40U, 57U, 58U, 79U, 200U}) {
    CAPTURE(width);
    std::istringstream lines(text(progress, figures, width));
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= width);
    CHECK((text(progress, figures, width).find('#') != std::string::npos) == (width >= 58));
  }
}
