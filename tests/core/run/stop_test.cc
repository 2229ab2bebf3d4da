#include <thread>

#include "tests/core/run/run_pipeline.h"

/// Runs that are interrupted, and runs that hang.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

constexpr const char* kEndless = "id: load, type: numbers, with: {count: 1000000000}";

void wait_until_heard(const Listening& heard, std::string_view part) {
  while (!heard.heard(part)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace

TEST_CASE("a request to stop ends the reading, and what is in flight is finished") {
  std::stop_source stop;
  HowToRun how;
  how.settings = "{max_in_flight: 20}";
  how.stop = stop.get_token();
  how.progress_every_s = 0.01;
  how.meanwhile = [&](const Listening& heard) {
    while (heard.last().records.read < 100) std::this_thread::yield();
    stop.request_stop();
  };
  const Ran ran = run_stages(
      {kEndless, "id: r, type: repeat, concurrency: 2",
       "id: t, type: twice, devices: [cpu:0, cpu:1], batch: {max_wait_ms: 1}",
       "id: out, type: collect, concurrency: 2, from: t", "id: all, type: together, from: t"},
      how);
  CHECK(ran.report.status == RunStatus::kInterrupted);
  CHECK_FALSE(ran.report.error.has_value());
  CHECK(ran.report.records.read >= 100);
  CHECK(ran.report.records.unfinished == 0);
  CHECK(ran.report.records.written == ran.report.records.read);
  CHECK(ran.numbers.size() == 3 * ran.report.records.read);
  CHECK(ran.gathered.size() == ran.report.records.read);
  CHECK(ran.heard->heard("interrupted"));
}

TEST_CASE("a run that was asked to stop before it began ends at once") {
  std::stop_source stop;
  stop.request_stop();
  HowToRun how;
  how.stop = stop.get_token();
  const Ran ran = run_stages({kEndless, "id: out, type: collect"}, how);
  CHECK(ran.report.status == RunStatus::kInterrupted);
  CHECK(ran.report.records.written == ran.report.records.read);

  const Ran scan = run_stages({kEndless, "id: l, type: last", "id: out, type: collect"}, how);
  CHECK(scan.report.status == RunStatus::kInterrupted);
  CHECK(scan.report.records.read == 0);
  CHECK(scan.numbers.empty());
}

TEST_CASE("a reader that waits for credits hears a request to stop") {
  std::stop_source stop;
  HowToRun how;
  how.settings = "{max_in_flight: 3, drain_s: 600}";
  how.stop = stop.get_token();
  how.meanwhile = [&](const Listening& heard) {
    Probe::get().wait_for_hanging(2);
    stop.request_stop();
    wait_until_heard(heard, "interrupted");
    Probe::get().release();
  };
  const Ran ran = run_stages(
      {kEndless, "id: a, type: add, concurrency: 2, with: {fault: hang}", "id: out, type: collect"},
      how);
  CHECK(ran.report.status == RunStatus::kInterrupted);
  CHECK(ran.report.records.read == 3);
  CHECK(ran.report.records.written == 3);
}

TEST_CASE("what does not finish within the time to drain is cancelled and counted") {
  for (const bool device : {false, true}) {
    CAPTURE(device);
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
      // Longer than the time to drain and the monitor's next look, so that the run is cancelled.
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      Probe::get().release();
    };
    const Ran ran =
        run_stages({kEndless,
                    device ? "id: a, type: twice, devices: cpu, lanes: 1, batch: {max_items: 1}, "
                             "with: {fault: hang}"
                           : "id: a, type: add, concurrency: 1, with: {fault: hang}",
                    "id: all, type: together, from: a", "id: out, type: collect, from: a"},
                   how);
    CHECK(ran.report.status == RunStatus::kInterrupted);
    CHECK(ran.report.records.read == 10);
    CHECK(ran.report.records.unfinished == 10);
    CHECK(ran.report.records.failed == 0);
    CHECK(ran.gathered.empty());
    CHECK(ran.numbers.empty());
  }
}

TEST_CASE("a stage that hangs is named with its record and its edges, and the run goes on") {
  for (const bool device : {false, true}) {
    CAPTURE(device);
    HowToRun how;
    how.settings = "{max_in_flight: 5, stall_after_s: 0.1, threads: 4}";
    std::string said;
    how.meanwhile = [&](const Listening& heard) {
      wait_until_heard(heard, "stage 'a' has been working on record n6");
      for (const std::string& text : heard.messages()) {
        if (said.empty() && text.starts_with("stage 'a'")) said = text;
      }
      Probe::get().release();
    };
    const Ran ran = run_stages(
        {"id: load, type: numbers, with: {count: 20}",
         device
             ? "id: a, type: twice, devices: cpu, lanes: 1, batch: {max_items: 1}, with: {fault: "
               "hang, fault_at: 6}"
             : "id: a, type: add, with: {fault: hang, fault_at: 6}",
         "id: b, type: add", "id: out, type: collect"},
        how);
    CHECK(ran.report.status == RunStatus::kSucceeded);
    CHECK(ran.report.records.written == 20);
    CHECK(said.find(device ? "record n6 on cpu:0, lane 0, for 0." : "record n6 for 0.") !=
          said.npos);
    CHECK(said.find("\n  load: waits for credits; in flight are 5 of 5 records and ") != said.npos);
    CHECK(said.find(device ? "\n  a: 5 items, 4 of them waiting for a lane; cpu:0: 1 of 1 lane busy"
                           : "\n  a: 4 items waiting, 1 in it, which takes 1") != said.npos);
    CHECK(said.ends_with("\n  b: empty\n  out: empty"));
  }
}

TEST_CASE("as long as a stage hangs it is named again, each time after twice as long") {
  HowToRun how;
  how.settings = "{stall_after_s: 0.1}";
  std::vector<double> ages;
  how.meanwhile = [&](const Listening& heard) {
    const std::string begin = "stage 'a' has been working on record n6 for ";
    while (ages.size() < 3) {
      ages.clear();
      for (const std::string& text : heard.messages()) {
        if (text.starts_with(begin)) ages.push_back(std::stod(text.substr(begin.size())));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    Probe::get().release();
  };
  run_stages({"id: load, type: numbers, with: {count: 20}",
              "id: a, type: add, with: {fault: hang, fault_at: 6}", "id: out, type: collect"},
             how);
  CHECK(ages[1] >= 2 * ages[0] - 0.11);  // they are told rounded
  CHECK(ages[2] >= 2 * ages[1] - 0.11);
}

TEST_CASE("a source that hangs is named with the record behind which it does") {
  HowToRun how;
  how.settings = "{stall_after_s: 0.1}";
  how.meanwhile = [&](const Listening& heard) {
    wait_until_heard(heard, "stage 'load' has been reading the record after n6 for 0.");
    Probe::get().release();
  };
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 20, fault: hang, fault_at: 7}",
                  "id: out, type: collect"},
                 how);
  CHECK(ran.report.records.written == 20);
}

TEST_CASE("progress is told while a run goes on, and at its end as it ended") {
  HowToRun how;
  how.progress_every_s = 0.02;
  std::atomic<bool> in_flight{false};
  how.meanwhile = [&](const Listening& heard) {
    Probe::get().wait_for_hanging(1);
    while (heard.last().records.unfinished == 0) std::this_thread::yield();
    CHECK(heard.last().input_share == 0.25);
    in_flight = true;
    Probe::get().release();
  };
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 50}",
                  "id: a, type: add, with: {fault: hang, fault_at: 40}", "id: out, type: collect"},
                 how);
  CHECK(in_flight);
  const RunProgress last = ran.heard->last();
  CHECK(last.records.read == 50);
  CHECK(last.records.written == 50);
  CHECK(last.records.unfinished == 0);
  CHECK(last.media_seconds == doctest::Approx(25));
  CHECK(last.stages.size() == 3);
}
