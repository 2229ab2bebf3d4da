#include <thread>

#include <flowtts/pipeline.h>

#include "tests/core/run/run_pipeline.h"
#include "tests/stages/temp_folder.h"

/// Stages that send items back to the device stage before them.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

using Counts = std::map<std::string, std::uint64_t>;

/// Where the stage that asks can stand, and on how many lanes the takes are made.
struct Layout {
  const char* name;
  std::vector<std::string> stages;  ///< Between the source and the sink; the last one asks.
};

const std::vector<Layout> kLayouts{
    {"directly behind", {"id: t, type: twice, with: {by_take: 1000000}", "id: j, type: judge"}},
    {"on several lanes",
     {"id: t, type: twice, devices: [cpu:0, cpu:1], lanes: 3, batch: {max_items: 4, max_wait_ms: "
      "1}, with: {by_take: 1000000}",
      "id: j, type: judge, concurrency: 3"}},
    {"behind maps and filters",
     {"id: t, type: twice, lanes: 2, with: {by_take: 1000000}",
      "id: a, type: add, with: {by: 0}, concurrency: 2", "id: m, type: multiples, with: {of: 1}",
      "id: j, type: judge, concurrency: 2"}},
    {"behind a map in the lanes",
     {"id: t, type: twice, lanes: 2, with: {by_take: 1000000}",
      "id: l, type: judge, with: {in_lane: true, good_take: 1}", "id: j, type: judge"}},
    {"itself in the lanes",
     {"id: t, type: twice, lanes: 2, with: {by_take: 1000000}",
      "id: j, type: judge, with: {in_lane: true}"}}};

/// The layout's stages with parameters of the stage that asks beside its own.
std::vector<std::string> stages_of(const Layout& layout, const std::string& load,
                                   const std::string& params) {
  std::vector<std::string> stages{"id: load, type: numbers, with: {" + load + "}"};
  stages.insert(stages.end(), layout.stages.begin(), layout.stages.end());
  std::string& last = stages.back();
  const std::size_t with = last.find("with: {");
  if (with == std::string::npos) {
    last += ", with: {" + params + "}";
  } else {
    last.insert(with + 7, params + ", ");
  }
  stages.emplace_back("id: out, type: collect, from: j");
  stages.emplace_back("id: all, type: together, from: j");
  return stages;
}

/// The findings about a pipeline of these stages, a line each.
std::string findings(const std::vector<std::string>& stages, const std::string& settings = "{}") {
  std::string yaml = "flowtts: 1\nname: test\nrun: " + settings + "\nstages:\n";
  for (const std::string& stage : stages) yaml += "  - {" + stage + "}\n";
  Pipeline::Options options;
  options.registry = &test_registry();
  options.gpus = [] { return std::vector<DeviceInfo>(); };
  Diagnostics found;
  Pipeline::parse(yaml, "test.yaml", options, found);
  std::string text;
  for (const Diagnostic& one : found.sorted()) text += one.text() + "\n";
  return text;
}

}  // namespace

TEST_CASE("an item that is sent back comes again as its next take, and is counted once") {
  for (const Layout& layout : kLayouts) {
    CAPTURE(layout.name);
    const Ran ran = run_stages(stages_of(layout, "count: 300", "nth: 3"));
    CHECK(ran.report.status == RunStatus::kSucceeded);
    CHECK(ran.report.records.written == 300);
    std::vector<std::int64_t> expected;
    for (std::int64_t i = 0; i < 300; ++i) expected.push_back(2 * i + (i % 3 == 0 ? 1'000'000 : 0));
    std::sort(expected.begin(), expected.end());
    CHECK(ran.numbers == expected);
    CHECK(ran.gathered.size() == 300);
    CHECK(ran.report.retaken_items == Counts{{"no_good", 100}});
    CHECK(ran.report.failed_items.empty());
    CHECK(ran.stage("j").retakes == 100);
    CHECK(ran.stage("j").received == 400);
    CHECK(ran.stage("j").made == 300);
    CHECK(ran.stage("t").received == 400);
    CHECK(ran.stage("t").made == 400);
    CHECK(ran.stage("t").retakes == 0);
  }
}

TEST_CASE("what no take makes good fails with the last take's error") {
  for (const Layout& layout : kLayouts) {
    CAPTURE(layout.name);
    const TempFolder folder;
    const std::string output = (folder.path() / "out").string();
    const Ran ran = run_stages(stages_of(layout, "count: 60", "nth: 10, good_take: 99"),
                               {"{max_in_flight: 8, output: \"" + output +
                                "\", on_error: {retakes: 3, max_failed: 100%}}"});
    CHECK(ran.report.records.failed == 6);
    CHECK(ran.report.records.written == 54);
    CHECK(ran.report.failed_items == Counts{{"no_good", 6}});
    CHECK(ran.report.retaken_items == Counts{{"no_good", 18}});
    CHECK(ran.stage("j").failed == 6);
    const std::string failures = read_whole_file(folder.path() / "out/failures.jsonl");
    CHECK(failures.find(R"("stage":"j","attempts":1,"takes":4,"error":"no_good",)"
                        R"("message":"take 4")") != std::string::npos);
  }
}

TEST_CASE("without retakes the first rejection is the last") {
  const Ran ran = run_stages(stages_of(kLayouts[0], "count: 5", "nth: 1"),
                             {"{on_error: {retakes: 0, max_failed: 100%}}"});
  CHECK(ran.report.records.failed == 5);
  CHECK(ran.report.retaken_items.empty());
}

TEST_CASE("a take begins with the first attempt, and attempts are of one take") {
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 1}",
                  "id: t, type: twice, with: {by_take: 10, fault: retry, fault_times: 2}",
                  "id: j, type: judge, with: {good_take: 3}", "id: out, type: collect"});
  CHECK(ran.numbers == std::vector<std::int64_t>{20});
  CHECK(ran.stage("t").retried == 6);
  CHECK(ran.stage("j").retakes == 2);
}

TEST_CASE("each device stage has takes of its own") {
  const Ran ran = run_stages(
      {"id: load, type: numbers, with: {count: 20}", "id: t, type: twice, with: {by_take: 100}",
       "id: j, type: judge, with: {good_take: 3}", "id: t2, type: twice, with: {by_take: 7}",
       "id: j2, type: judge, with: {good_take: 2}", "id: out, type: collect"},
      {"{on_error: {retakes: 2}}"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.numbers == counted(20, 400 + 7, 4));
  CHECK(ran.stage("j").retakes == 40);
  CHECK(ran.stage("j2").retakes == 20);
  CHECK(ran.stage("t").received == 60);
}

TEST_CASE("several stages in a row may send an item back, and share its takes") {
  const Ran ran = run_stages(
      {"id: load, type: numbers, with: {count: 20}", "id: t, type: twice, with: {by_take: 100}",
       "id: j, type: judge, with: {good_take: 2}", "id: k, type: judge, with: {good_take: 3}",
       "id: out, type: collect"},
      {"{on_error: {retakes: 2}}"});
  CHECK(ran.numbers == counted(20, 200, 2));
  CHECK(ran.stage("j").retakes == 20);
  CHECK(ran.stage("k").retakes == 20);
}

TEST_CASE("children and branches of a record are sent back each by itself") {
  const Ran ran = run_stages(
      {"id: load, type: numbers, with: {count: 100}", "id: r, type: repeat, with: {copies: 3}",
       "id: t, type: twice, lanes: 2, from: r, with: {by_take: 1000000}",
       "id: j, type: judge, from: t", "id: other, type: add, from: r, with: {by: 0}",
       "id: out, type: collect, from: [j, other]", "id: all, type: together, from: [j, other]"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.numbers.size() == 600);
  CHECK(ran.stage("j").retakes == 300);
  REQUIRE(ran.gathered.size() == 100);
  for (const Nums& nums : ran.gathered) CHECK(nums.arrived.size() == 6);
}

TEST_CASE("credits that are short come back from takes, and bound what is in flight") {
  for (const Layout& layout : kLayouts) {
    CAPTURE(layout.name);
    // Eight records of this weight and what becomes of them fill the limit; check_ledger holds the
    // run to it.
    const Ran ran = run_stages(stages_of(layout, "count: 400, weight: 20000", "nth: 2"),
                               {"{max_in_flight: 1000, memory_limit: 1MiB}"});
    CHECK(ran.report.status == RunStatus::kSucceeded);
    CHECK(ran.report.records.written == 400);
    CHECK(ran.stage("j").retakes == 200);
  }
}

TEST_CASE("an interrupted run finishes the takes that it has begun") {
  std::stop_source stop;
  HowToRun how;
  how.settings = "{max_in_flight: 20}";
  how.stop = stop.get_token();
  how.progress_every_s = 0.01;
  how.meanwhile = [&](const Listening& heard) {
    while (heard.last().records.read < 100) std::this_thread::yield();
    stop.request_stop();
  };
  const Ran ran = run_stages(stages_of(kLayouts[1], "count: 1000000000", "nth: 1"), how);
  CHECK(ran.report.status == RunStatus::kInterrupted);
  CHECK(ran.report.records.unfinished == 0);
  CHECK(ran.report.records.written == ran.report.records.read);
  CHECK(ran.stage("j").retakes == ran.report.records.read);
}

TEST_CASE("an item that waits for its next take when the run is cancelled is unfinished") {
  for (const Layout& layout : kLayouts) {
    CAPTURE(layout.name);
    std::stop_source stop;
    HowToRun how;
    how.settings = "{max_in_flight: 10, drain_s: 0.1, threads: 4}";
    how.stop = stop.get_token();
    how.progress_every_s = 0.02;
    how.meanwhile = [&](const Listening& heard) {
      Probe::get().wait_for_hanging(1);
      while (heard.last().records.read < 10)
        std::this_thread::yield();  // all that may be in flight
      stop.request_stop();
      while (!heard.heard("interrupted")) std::this_thread::yield();
      // Longer than the time to drain and the monitor's next look, so that the run is cancelled.
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      Probe::get().release();
    };
    const Ran ran = run_stages(
        stages_of(layout, "count: 1000000000", "nth: 1, good_take: 99, fault: hang"), how);
    CHECK(ran.report.status == RunStatus::kInterrupted);
    CHECK(ran.report.records.read == 10);
    CHECK(ran.report.records.unfinished == 10);
    CHECK(ran.report.failed_items.empty());
    CHECK(ran.numbers.empty());
  }
}

TEST_CASE("a fatal error while takes are made ends the run, and nothing is lost") {
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 1000000000}",
                  "id: t, type: twice, lanes: 2, batch: {max_wait_ms: 1}, with: {by_take: 1000000}",
                  "id: j, type: judge, with: {good_take: 2}",
                  "id: a, type: add, with: {by: 0, fault: fatal, fault_at: 1000100}",
                  "id: out, type: collect"});
  CHECK(ran.report.status == RunStatus::kEnvironment);
  CHECK(ran.report.records.balanced());
}

TEST_CASE("a stage that cannot have takes repeated is told so, or fails at once") {
  struct Case {
    const char* name;
    std::vector<std::string> stages;
    const char* found;
  };
  const std::string load = "id: load, type: numbers, with: {count: 4}";
  const std::string device = "id: t, type: twice, with: {by_take: 100}";
  const std::vector<Case> cases{
      {"another follower of the device stage",
       {load, device, "id: j, type: judge", "id: out, type: collect",
        "id: also, type: collect, from: t"},
       "what 't' makes goes to other stages as well"},
      {"another follower in between",
       {load, device, "id: a, type: add", "id: j, type: judge", "id: out, type: collect",
        "id: also, type: collect, from: a"},
       "what 'a' makes goes to other stages as well"},
      {"children",
       {load, device, "id: r, type: repeat", "id: j, type: judge", "id: out, type: collect"},
       "'r' makes several items of one"},
      {"several stages before it",
       {load, device, "id: t2, type: twice, from: load", "id: j, type: judge, from: [t, t2]",
        "id: out, type: collect"},
       "'j' follows several stages"}};
  for (const Case& one : cases) {
    CAPTURE(one.name);
    const std::string said = findings(one.stages);
    CHECK(said.find("warning[no-retake]: stage 'j' (judge): what it rejects fails at once") !=
          std::string::npos);
    CHECK(said.find(one.found) != std::string::npos);
    CHECK(findings(one.stages, "{on_error: {retakes: 0}}").empty());
    const Ran ran = run_stages(one.stages);
    CHECK(ran.report.records.failed == 4);
    CHECK(ran.report.retaken_items.empty());
  }
}

TEST_CASE("where no device stage comes before, it is only noted that rejections are final") {
  const std::vector<std::string> stages{"id: load, type: numbers, with: {count: 4}",
                                        "id: j, type: judge", "id: out, type: collect"};
  CHECK(findings(stages).empty());
  const Pipeline pipeline = compile_or_throw(
      "flowtts: 1\nstages:\n  - {id: load, type: numbers, with: {count: 4}}\n"
      "  - {type: judge}\n  - {type: collect}\n");
  REQUIRE(pipeline.stages()[1].notes.size() == 1);
  CHECK(pipeline.stages()[1].notes[0].find("no device stage before it") != std::string::npos);
  CHECK(run_stages(stages).report.records.failed == 4);
}
