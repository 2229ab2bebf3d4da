#include <algorithm>
#include <thread>

#include "tests/core/run/run_pipeline.h"
#include "tests/stages/temp_folder.h"

/// Stages that one thread works through with an item, one after another: each of them is to be as
/// it would be by itself.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

using Counts = std::map<std::string, std::uint64_t>;

/// How many items may be in a stage: fewer than there are threads, as many, more; and mixed.
struct Widths {
  const char* name;
  std::vector<int> of;  ///< Of the stages, in turn.
};
const std::vector<Widths> kWidths{
    {"serial", {1}}, {"limited", {2}}, {"free", {4}}, {"wide", {16}}, {"mixed", {4, 1, 8, 2, 1}}};

/// The stages with a concurrency each.
std::vector<std::string> with(const Widths& widths, std::vector<std::string> stages) {
  for (std::size_t i = 1; i < stages.size(); ++i) {
    stages[i] += ", concurrency: " + std::to_string(widths.of[(i - 1) % widths.of.size()]);
  }
  return stages;
}

/// How many of the messages begin so.
std::size_t count_of(const std::vector<std::string>& messages, std::string_view start) {
  const auto begins = [&](const std::string& text) { return text.starts_with(start); };
  return static_cast<std::size_t>(std::count_if(messages.begin(), messages.end(), begins));
}

}  // namespace

TEST_CASE("in a line each stage counts what comes to it, and what it filters, fails and retries") {
  const TempFolder folder;
  for (const Widths& widths : kWidths) {
    CAPTURE(widths.name);
    HowToRun how;
    how.settings = "{threads: 4, max_in_flight: 32, on_error: {max_failed: 100%}, output: '" +
                   (folder.path() / widths.name).string() + "'}";
    const Ran ran =
        run_stages(with(widths, {"id: load, type: numbers, with: {count: 300}",
                                 "id: a, type: add, with: {by: 0, fault: error, fault_at: 7}",
                                 "id: m, type: multiples, with: {of: 2}",
                                 "id: r, type: add, with: {by: 0, fault: retry, fault_at: 10}",
                                 "id: e, type: every, with: {nth: 4}",
                                 "id: t, type: add, with: {by: 0, fault: throw, fault_at: 16}",
                                 "id: out, type: collect, with: {fault: error, fault_at: 20}"}),
                   how);
    CHECK(ran.report.status == RunStatus::kSucceeded);
    const auto counts = [&](const char* id) {
      const StageReport& stage = ran.stage(id);
      return std::vector<std::uint64_t>{stage.received, stage.made, stage.filtered, stage.failed,
                                        stage.retried};
    };
    using Five = std::vector<std::uint64_t>;
    CHECK(counts("a") == Five{300, 299, 0, 1, 0});
    CHECK(counts("m") == Five{299, 150, 149, 0, 0});
    CHECK(counts("r") == Five{150, 150, 0, 0, 2});
    CHECK(counts("e") == Five{150, 75, 75, 0, 0});
    CHECK(counts("t") == Five{75, 74, 0, 1, 0});
    CHECK(counts("out") == Five{74, 0, 0, 1, 0});
    CHECK(ran.numbers.size() == 73);
    CHECK(ran.report.failed_items == Counts{{"exception", 1}, {"test_error", 2}});
    CHECK(ran.report.filtered_items.at("e") == 75);
    const std::string failures = read_whole_file(folder.path() / widths.name / "failures.jsonl");
    for (const char* stage : {"a", "t", "out"}) {
      CHECK(failures.find(std::string(R"("stage":")") + stage + '"') != failures.npos);
    }
    for (const StageReport& stage : ran.report.stages) CHECK(stage.busy_seconds > 0);
  }
}

TEST_CASE("a stage within a line that hangs is named, with what waits there and before it") {
  struct Case {
    int width;
    std::string at_b;  ///< Of five records, one of which hangs in `b`.
  };
  for (const Case& one : {Case{1, "4 items waiting, 1 in it, which takes 1"},
                          Case{4, "0 items waiting, 1 in it, which takes 4"}}) {
    CAPTURE(one.width);
    HowToRun how;
    how.settings = "{max_in_flight: 5, stall_after_s: 0.1, threads: 4}";
    const std::string stands = "\n  a: empty\n  b: " + one.at_b + "\n  c: empty\n  out: empty";
    how.meanwhile = [&](const Listening& heard) {
      // It is told again and again; at first the others may still be on their way.
      const char* start = "stage 'b' has been working on record n6 for ";
      while (!heard.heard(stands) && count_of(heard.messages(), start) < 7) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      Probe::get().release();
    };
    const Ran ran =
        run_stages(with({"", {one.width}}, {"id: load, type: numbers, with: {count: 11}",
                                            "id: a, type: add, with: {by: 0}",
                                            "id: b, type: add, with: {fault: hang, fault_at: 6}",
                                            "id: c, type: add", "id: out, type: collect"}),
                   how);
    CHECK(ran.report.records.written == 11);
    CHECK(ran.heard->heard(stands));
    if (one.width == 1) CHECK(ran.stage("b").queued_most == 4);
  }
}

TEST_CASE("a run that is cancelled ends an item before the next stage of its line") {
  for (const Widths& widths : kWidths) {
    CAPTURE(widths.name);
    std::stop_source stop;
    HowToRun how;
    how.settings = "{max_in_flight: 10, drain_s: 0.1, threads: 4}";
    how.stop = stop.get_token();
    how.progress_every_s = 0.02;
    how.meanwhile = [&](const Listening& heard) {
      Probe::get().wait_for_hanging(1);
      while (heard.last().records.read < 10) std::this_thread::yield();
      stop.request_stop();
      // Longer than the time to drain and the monitor's next look, so that the run is cancelled.
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      Probe::get().release();
    };
    const Ran ran =
        run_stages(with(widths, {"id: load, type: numbers, with: {count: 1000000}",
                                 "id: a, type: add, with: {by: 0}",
                                 "id: b, type: add, with: {by: 0, fault: hang}",
                                 "id: c, type: add, with: {by: 0}", "id: out, type: collect"}),
                   how);
    CHECK(ran.report.status == RunStatus::kInterrupted);
    CHECK(ran.report.records.unfinished == 10);
    CHECK(ran.numbers.empty());
    CHECK(ran.stage("c").made == 0);
    CHECK(ran.stage("out").received == 0);
  }
}

TEST_CASE("a fatal error within a line ends the run, and every item has ended") {
  for (const Widths& widths : kWidths) {
    CAPTURE(widths.name);
    HowToRun how;
    how.settings = "{threads: 4}";
    const Ran ran =
        run_stages(with(widths, {"id: load, type: numbers, with: {count: 5000}",
                                 "id: a, type: add, with: {by: 0}",
                                 "id: b, type: add, with: {by: 0, fault: fatal, fault_at: 50}",
                                 "id: c, type: add, with: {by: 0}", "id: out, type: collect"}),
                   how);
    CHECK(ran.report.status == RunStatus::kEnvironment);
    CHECK(ran.report.error->message == "stage 'b': told to end the run");
    CHECK(ran.report.items.unfinished >= 1);
    CHECK(ran.report.items.failed == 0);
  }
}

TEST_CASE("within a line no more items are in a stage than it takes") {
  struct Case {
    int threads, width;
  };
  for (const Case& one : {Case{1, 1}, Case{2, 1}, Case{4, 1}, Case{4, 2}, Case{4, 3}}) {
    const auto [threads, width] = one;
    CAPTURE(threads);
    CAPTURE(width);
    HowToRun how;
    how.settings = "{threads: " + std::to_string(threads) + "}";
    run_stages({"id: load, type: numbers, with: {count: 200}",
                "id: a, type: add, with: {by: 0}, concurrency: 4",
                "id: b, type: crowd, concurrency: " + std::to_string(width),
                "id: out, type: collect, concurrency: 4"},
               how);
    const auto events = Probe::get().events();
    const auto said = std::find_if(events.begin(), events.end(), [](const std::string& text) {
      return text.starts_with("most at once ");
    });
    REQUIRE(said != events.end());
    CHECK(std::stoi(said->substr(13)) <= one.width);
  }
}

TEST_CASE("a stage that waits for tasks of its own is not called anew by its thread meanwhile") {
  for (const int width : {1, 2, 8}) {
    CAPTURE(width);
    HowToRun how;
    how.settings = "{threads: " + std::to_string(std::min(width, 2)) + ", max_in_flight: 64}";
    const std::string concurrency = ", concurrency: " + std::to_string(width);
    const Ran ran = run_stages({"id: load, type: numbers, with: {count: 100}",
                                "id: a, type: add, with: {by: 0}" + concurrency,
                                "id: b, type: crowd, with: {tasks: 8}" + concurrency,
                                "id: out, type: collect" + concurrency},
                               how);
    CHECK(ran.numbers == counted(100));
    const auto events = Probe::get().events();
    CHECK(std::count(events.begin(), events.end(), "most in a thread 1") == 1);
  }
}
