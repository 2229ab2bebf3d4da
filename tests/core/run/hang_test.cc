#include <thread>

#include "tests/core/run/run_pipeline.h"
#include "tests/stages/temp_folder.h"

/// Runs with stages that do not come back until the test lets them, after the run.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

void wait_until_heard(const Listening& heard, std::string_view part) {
  while (!heard.heard(part)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

/// Lets go what hangs when the test ends, also by an exception.
struct LetGo {
  ~LetGo() { Probe::get().release_all(); }
};

}  // namespace

TEST_CASE("an item that hangs on a lane fails as hung, and the run goes on to its end") {
  const LetGo let_go;
  const TempFolder folder;
  HowToRun how;
  how.settings = "{hang_after_s: 0.5, on_error: {max_failed: 1}, output: '" +
                 (folder.path() / "out").string() + "'}";
  const Ran ran = run_stages(
      {"id: load, type: numbers, with: {count: 40}",
       "id: t, type: twice, devices: [cpu:0, cpu:1], lanes: 2, batch: {max_items: 8, max_wait_ms: "
       "5}, with: {fault: hang, fault_at: 17}",
       "id: all, type: together, from: t", "id: out, type: collect, from: t"},
      how);
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.report.records.written == 39);
  CHECK(ran.report.records.failed == 1);
  CHECK(ran.report.failed_items == std::map<std::string, std::uint64_t>{{"hung", 1}});
  CHECK(ran.report.abandoned_threads >= 1);
  CHECK(ran.heard->heard("stage 't': lane "));
  CHECK(ran.heard->heard("is given up as hung; the item fails"));
  std::uint64_t hung = 0;
  for (const DeviceReport& device : ran.stage("t").devices) hung += device.hung;
  CHECK(hung >= 1);
  const std::string failures = read_whole_file(folder.path() / "out/failures.jsonl");
  CHECK(failures.find(R"("id":"n17","offset":170,"stage":"t","attempts":1,"error":"hung")") !=
        failures.npos);
  CHECK(failures.find(R"("payload":{"value":17})") != failures.npos);
}

TEST_CASE(
    "a run that waits for a CPU stage that hangs ends, naming the record, and keeps the rest") {
  struct Case {
    std::string stage, record;
    std::uint64_t written;  ///< Records, with what hangs the only one not to be.
  };
  for (const Case& one : {Case{"a, type: add, concurrency: 2", "n6", 19},
                          Case{"a, type: repeat, concurrency: 2", "n6", 19},
                          Case{"a, type: multiples, concurrency: 2, with: {of: 1, ", "n6", 19}}) {
    CAPTURE(one.stage);
    const LetGo let_go;
    HowToRun how;
    how.settings = "{hang_after_s: 1, threads: 4}";
    std::string stage = "id: " + one.stage;
    stage += stage.ends_with(", ") ? "" : ", with: {";
    const Ran ran = run_stages({"id: load, type: numbers, with: {count: 20}",
                                stage + "fault: hang, fault_at: 6}", "id: out, type: collect"},
                               how);
    CHECK(ran.report.status == RunStatus::kEnvironment);
    REQUIRE(ran.report.error.has_value());
    CHECK(ran.report.error->code == "hung");
    CHECK(ran.report.error->message.starts_with("stage 'a' has been working on record n6 for 1."));
    CHECK(ran.heard->heard("nothing has moved for 1."));
    CHECK(ran.heard->heard("1 in it, which takes 2"));
    CHECK(ran.report.records.read == 20);
    CHECK(ran.report.records.written == one.written);
    CHECK(ran.report.records.unfinished == 1);
    CHECK(ran.report.records.failed == 0);
    CHECK(ran.report.abandoned_threads >= 1);
  }
}

TEST_CASE("stages that no thread is in are closed at the end of a run that hangs") {
  const LetGo let_go;
  HowToRun how;
  how.settings = "{hang_after_s: 0.5, threads: 4}";
  run_stages({"id: load, type: numbers, with: {count: 20}",
              "id: all, type: together, with: {fault: hang, fault_at: 6}"},
             how);
  const auto events = Probe::get().events();
  CHECK(std::count(events.begin(), events.end(), "close numbers") == 1);
}

TEST_CASE("an interrupted run ends though a stage hangs, on a CPU thread or on a lane") {
  for (const bool device : {false, true}) {
    CAPTURE(device);
    const LetGo let_go;
    std::stop_source stop;
    HowToRun how;
    how.settings = "{max_in_flight: 10, drain_s: 0.1, threads: 4}";
    how.stop = stop.get_token();
    how.meanwhile = [&](const Listening&) {
      Probe::get().wait_for_hanging(1);
      stop.request_stop();
    };
    const Ran ran =
        run_stages({"id: load, type: numbers, with: {count: 1000000}",
                    device ? "id: a, type: twice, devices: cpu, lanes: 1, batch: {max_items: 1}, "
                             "with: {fault: hang}"
                           : "id: a, type: add, concurrency: 1, with: {fault: hang}",
                    "id: all, type: together, from: a", "id: out, type: collect, from: a"},
                   how);
    CHECK(ran.report.status == RunStatus::kInterrupted);
    CHECK_FALSE(ran.report.error.has_value());
    CHECK(ran.report.records.unfinished == ran.report.records.read);
    CHECK(ran.report.abandoned_threads == 1);
    CHECK(ran.numbers.empty());
  }
}

TEST_CASE("a run that has failed ends though a stage hangs") {
  const LetGo let_go;
  HowToRun how;
  how.settings = "{drain_s: 0, threads: 4}";
  const Ran ran = run_stages({"id: load, type: numbers, with: {count: 20}",
                              "id: a, type: add, concurrency: 2, with: {fault: hang, fault_at: 6}",
                              "id: out, type: collect, with: {fault: fatal, fault_at: 10}"},
                             how);
  CHECK(ran.report.status == RunStatus::kEnvironment);
  CHECK(ran.report.error->message == "stage 'out': told to end the run");
  CHECK(ran.report.abandoned_threads == 1);
}

TEST_CASE("a source that waits for its input does not hang, however long") {
  for (const bool hangs_too : {false, true}) {
    CAPTURE(hangs_too);  // even where a stage does: more may come
    HowToRun how;
    how.settings = "{hang_after_s: 0.1, stall_after_s: 0.2, threads: 4}";
    how.meanwhile = [&](const Listening& heard) {
      Probe::get().wait_for_hanging(hangs_too ? 2 : 1);
      wait_until_heard(heard, "stage 'load' has been reading the record after n6 for 0.");
      Probe::get().release();
    };
    const Ran ran = run_stages(
        {"id: load, type: numbers, with: {count: 20, fault: hang, fault_at: 7}",
         hangs_too ? "id: a, type: add, with: {fault: hang, fault_at: 3}" : "id: a, type: add",
         "id: out, type: collect"},
        how);
    CHECK(ran.report.status == RunStatus::kSucceeded);
    CHECK(ran.report.records.written == 20);
    CHECK(ran.report.abandoned_threads == 0);
  }
}

TEST_CASE("with 0 nothing is taken for hung") {
  for (const bool device : {false, true}) {
    CAPTURE(device);
    HowToRun how;
    how.settings = "{hang_after_s: 0, stall_after_s: 0.1, threads: 4}";
    how.meanwhile = [&](const Listening& heard) {
      wait_until_heard(heard, "stage 'a' has been working on record n6");
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      Probe::get().release();
    };
    const Ran ran = run_stages({"id: load, type: numbers, with: {count: 20}",
                                device ? "id: a, type: twice, devices: cpu, batch: {max_items: 1}, "
                                         "with: {fault: hang, fault_at: 6}"
                                       : "id: a, type: add, with: {fault: hang, fault_at: 6}",
                                "id: out, type: collect"},
                               how);
    CHECK(ran.report.records.written == 20);
    CHECK(ran.report.abandoned_threads == 0);
  }
}
