#include <algorithm>
#include <set>

#include "tests/core/run/run_pipeline.h"

/// That every message arrives exactly once, whatever the shape of the graph.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

using Numbers64 = std::vector<std::int64_t>;

Numbers64 sorted(Numbers64 numbers) {
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Numbers64 joined(Numbers64 numbers, const Numbers64& more) {
  numbers.insert(numbers.end(), more.begin(), more.end());
  return sorted(std::move(numbers));
}

}  // namespace

TEST_CASE("a chain passes every number on once") {
  for (const int concurrency : {1, 2, 8}) {
    const std::string width = "concurrency: " + std::to_string(concurrency);
    const Ran ran =
        run_stages({"id: load, type: numbers, with: {count: 2000}", "id: a, type: add, " + width,
                    "id: b, type: add, " + width, "id: out, type: collect, " + width});
    CHECK(ran.report.status == RunStatus::kSucceeded);
    CHECK(ran.numbers == counted(2000, 2));
    CHECK(ran.report.records.read == 2000);
    CHECK(ran.report.records.written == 2000);
    CHECK(ran.report.items.read == 2000);
    CHECK(ran.stage("a").received == 2000);
    CHECK(ran.stage("a").made == 2000);
    CHECK(ran.stage("load").made == 2000);
    CHECK(ran.report.media_seconds == doctest::Approx(1000));
  }
}

TEST_CASE("an empty source gives a run of nothing") {
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 0}", "id: all, type: together",
                  "id: s, type: sum_up", "id: out, type: collect"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.report.records.read == 0);
  CHECK(ran.numbers.empty());
}

TEST_CASE("a stage with several followers gives each of them every number") {
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 500}", "id: a, type: add, with: {by: 0}",
                  "id: one, type: collect, from: a, concurrency: 2",
                  "id: two, type: collect, from: a, concurrency: 2",
                  "id: three, type: collect, from: load, concurrency: 2"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.numbers == joined(joined(counted(500), counted(500)), counted(500)));
  CHECK(ran.report.records.read == 500);
  CHECK(ran.report.records.written == 500);
  CHECK(ran.report.items.read == 1500);
  CHECK(ran.report.items.written == 1500);
}

TEST_CASE("a stage with several predecessors gets the numbers of all of them") {
  const Ran ran = run_stages({"id: load, type: numbers, with: {count: 500}",
                              "id: left, type: add, with: {by: 1000}, concurrency: 2",
                              "id: right, type: add, from: load, with: {by: 500}, concurrency: 2",
                              "id: out, type: collect, from: [left, right, load]"});
  CHECK(ran.numbers == joined(joined(counted(500, 500), counted(500, 1000)), counted(500)));
}

TEST_CASE("a diamond, and a diamond in a diamond, lose nothing and double nothing") {
  const Ran ran = run_stages(
      {"id: load, type: numbers, with: {count: 300}", "id: a, type: add, with: {by: 0}",
       "id: b, type: add, from: a, with: {by: 100}", "id: c, type: add, from: b, with: {by: 0}",
       "id: d, type: add, from: b, with: {by: 0}",
       "id: e, type: multiples, from: [c, d], with: {of: 1}",
       "id: f, type: add, from: a, with: {by: 200}, concurrency: 2",
       "id: out, type: collect, from: [e, f], concurrency: 2"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.numbers == joined(joined(counted(300, 100), counted(300, 100)), counted(300, 200)));
  CHECK(ran.report.records.written == 300);
  CHECK(ran.report.items.read == 900);
}

TEST_CASE("expanding what was expanded makes all of the children") {
  const Ran ran = run_stages({"id: load, type: numbers, with: {count: 50}",
                              "id: r, type: repeat, with: {copies: 7, step: 100}, concurrency: 2",
                              "id: s, type: repeat, with: {copies: 5, step: 1000}, concurrency: 2",
                              "id: out, type: collect, concurrency: 2"});
  Numbers64 expected;
  for (std::int64_t n = 0; n < 50; ++n) {
    for (std::int64_t r = 0; r < 7; ++r) {
      for (std::int64_t s = 0; s < 5; ++s) expected.push_back(n + 100 * r + 1000 * s);
    }
  }
  CHECK(ran.numbers == sorted(expected));
  CHECK(ran.report.records.written == 50);
  CHECK(ran.report.items.read == 50 * 35);
  CHECK(ran.stage("s").received == 350);
}

TEST_CASE("a stage that makes nothing of an item filters it as empty") {
  const Ran ran = run_stages({"id: load, type: numbers, with: {count: 20}",
                              "id: r, type: repeat, with: {copies: 0}", "id: out, type: collect"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.numbers.empty());
  CHECK(ran.report.records.filtered == 20);
  CHECK(ran.report.filtered_items == std::map<std::string, std::uint64_t>{{"empty", 20}});
}

TEST_CASE("a gather brings all items of a record together, sorted, and what it makes goes on") {
  const Ran ran = run_stages({"id: load, type: numbers, with: {count: 200}",
                              "id: r, type: repeat, with: {copies: 6, step: 1}, concurrency: 2",
                              "id: m, type: multiples, with: {of: 2}, concurrency: 2",
                              "id: all, type: together", "id: sum, type: sum_up, concurrency: 2",
                              "id: out, type: collect"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  REQUIRE(ran.gathered.size() == 200);
  Numbers64 sums;
  for (std::int64_t n = 0; n < 200; ++n) {
    const std::int64_t first = n + n % 2;
    sums.push_back(first * 3 + 6);
    const auto found =
        std::find_if(ran.gathered.begin(), ran.gathered.end(),
                     [&](const Nums& nums) { return nums.id == "n" + std::to_string(n); });
    REQUIRE(found != ran.gathered.end());
    CHECK(found->arrived == counted(3, first, 2));
    CHECK(found->ended.size() == 3);
  }
  CHECK(ran.numbers == sorted(sums));
  CHECK(ran.report.records.written == 200);
}

TEST_CASE("two gathers, one behind the other or side by side, each see every record once") {
  const Ran behind =
      run_stages({"id: load, type: numbers, with: {count: 100}",
                  "id: r, type: repeat, with: {copies: 3, step: 0}", "id: first, type: together",
                  "id: sum, type: sum_up", "id: again, type: repeat, with: {copies: 2, step: 0}",
                  "id: second, type: together"});
  CHECK(behind.report.status == RunStatus::kSucceeded);
  REQUIRE(behind.gathered.size() == 200);
  for (std::size_t i = 0; i < 200; i += 2) {
    CHECK(behind.gathered[i].id == behind.gathered[i + 1].id);
    CHECK(behind.gathered[i].arrived.size() + behind.gathered[i + 1].arrived.size() == 5);
  }
  const Ran beside = run_stages(
      {"id: load, type: numbers, with: {count: 100}", "id: r, type: repeat, with: {copies: 3}",
       "id: first, type: together, from: r", "id: second, type: together, from: [r, load]"});
  REQUIRE(beside.gathered.size() == 200);
  for (std::size_t i = 0; i < 200; i += 2) {
    CHECK(beside.gathered[i].id == beside.gathered[i + 1].id);
    CHECK(beside.gathered[i].arrived.size() + beside.gathered[i + 1].arrived.size() == 7);
  }
}

TEST_CASE("a gather sees items in the same order whichever branch was quicker") {
  for (const char* slow : {"left", "right"}) {
    const auto stage = [&](const std::string& id, int by) {
      return "id: " + id + ", type: add, from: r, with: {by: " + std::to_string(by) +
             (id == slow ? ", fault: slow" : "") + "}";
    };
    const Ran ran =
        run_stages({"id: load, type: numbers, with: {count: 3}",
                    "id: r, type: repeat, with: {copies: 2, step: 10}", stage("left", 100),
                    stage("right", 200), "id: all, type: together, from: [right, left]"});
    REQUIRE(ran.gathered.size() == 3);
    CHECK(ran.gathered[1].arrived == Numbers64{101, 201, 111, 211});
  }
}

TEST_CASE(
    "a gather fires for records of which nothing arrives, and knows where their items ended") {
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 4, fault: error, fault_at: 3}",
                  "id: a, type: add, with: {by: 0, fault: throw, fault_at: 2}",
                  "id: m, type: multiples, with: {of: 4}", "id: side, type: collect",
                  "id: all, type: together, from: m"});
  REQUIRE(ran.gathered.size() == 4);
  CHECK(ran.gathered[0].arrived == Numbers64{0});
  CHECK(ran.gathered[0].ended == std::vector<std::string>{"side:written"});
  CHECK(ran.gathered[1].arrived.empty());
  CHECK(ran.gathered[1].ended == std::vector<std::string>{"m:odd"});
  CHECK(ran.gathered[2].ended == std::vector<std::string>{"a:exception"});
  CHECK(ran.gathered[3].ended == std::vector<std::string>{"load:test_error"});
  CHECK(ran.report.records.written == 1);
  CHECK(ran.report.records.filtered == 1);
  CHECK(ran.report.records.failed == 2);
}

TEST_CASE("no more records are in flight than max_in_flight, also where one becomes many") {
  for (const int limit : {1, 3, 16}) {
    HowToRun how;
    how.settings = "{max_in_flight: " + std::to_string(limit) + "}";
    const Ran ran =
        run_stages({"id: load, type: numbers, with: {count: 400}",
                    "id: r, type: repeat, with: {copies: 50}, concurrency: 4",
                    "id: a, type: add, concurrency: 2", "id: out, type: collect, concurrency: 2"},
                   how);
    CHECK(ran.report.status == RunStatus::kSucceeded);
    CHECK(ran.numbers.size() == 20'000);
    CHECK(Probe::get().most_live() <= static_cast<std::size_t>(limit));
    CHECK(Probe::get().most_live() >= 1);
    CHECK(ran.stage("a").queued_most <= static_cast<std::uint64_t>(50 * limit));
  }
}

TEST_CASE("records enter by their weight as well, the too heavy ones alone") {
  HowToRun how;
  how.settings = "{max_in_flight: 100, memory_limit: 1MiB}";
  // Each grows to 100 kB × (1 + 3) at `r`; the third of a record that a child holds comes back with
  // it.
  const Ran some = run_stages({"id: load, type: numbers, with: {count: 60, weight: 100000}",
                               "id: r, type: repeat, with: {copies: 3}, concurrency: 4",
                               "id: out, type: collect, concurrency: 2"},
                              how);
  CHECK(some.report.most_records_in_flight >= 2);
  CHECK(some.report.most_bytes_in_flight >= 800'000);
  CHECK(some.numbers.size() == 180);
  // A gather keeps a record's payloads until all are there, so they keep their credits.
  const Ran kept = run_stages(
      {"id: load, type: numbers, with: {count: 60, weight: 100000}",
       "id: r, type: repeat, with: {copies: 3}, concurrency: 4", "id: all, type: together"},
      how);
  CHECK(kept.report.most_records_in_flight == 1);
  CHECK(kept.report.most_bytes_in_flight == 600'000);  // three numbers, and what is made of them

  const Ran one = run_stages({"id: load, type: numbers, with: {count: 60, weight: 100000000}",
                              "id: r, type: repeat, with: {copies: 3}, concurrency: 4",
                              "id: out, type: collect, concurrency: 2"},
                             how);
  CHECK(one.report.most_bytes_in_flight == 1 << 20);
  CHECK(one.numbers.size() == 180);
}

TEST_CASE("a serial stage is called by one thread at a time") {
  const Ran ran = run_stages({"id: load, type: numbers, with: {count: 3000}",
                              "id: a, type: add, concurrency: 8", "id: n, type: count_calls",
                              "id: out, type: collect, concurrency: 8"});
  CHECK(ran.numbers == counted(3000));
}

TEST_CASE("concurrency changes nothing but the order") {
  const auto run_with = [](const std::string& width, const std::string& settings) {
    HowToRun how;
    how.settings = settings;
    return run_stages(
        {"id: load, type: numbers, with: {count: 300}",
         "id: r, type: repeat, with: {copies: 4}, " + width,
         "id: m, type: multiples, with: {of: 3}, " + width,
         "id: a, type: add, with: {by: 5, fault: error, fault_at: 9}, " + width,
         "id: all, type: together, from: a", "id: out, type: collect, from: a, " + width},
        how);
  };
  const std::string policy = "on_error: {max_failed: 100%}";
  const Ran narrow = run_with("concurrency: 1", "{threads: 1, max_in_flight: 1, " + policy + "}");
  const Ran wide = run_with("concurrency: 8", "{threads: 8, max_in_flight: 64, " + policy + "}");
  CHECK(narrow.numbers == wide.numbers);
  CHECK(narrow.report.records.written == wide.report.records.written);
  CHECK(narrow.report.filtered_items == wide.report.filtered_items);
  CHECK(narrow.report.failed_items == wide.report.failed_items);
  REQUIRE(narrow.gathered.size() == wide.gathered.size());
  for (std::size_t i = 0; i < narrow.gathered.size(); ++i) {
    CHECK(narrow.gathered[i].arrived == wide.gathered[i].arrived);
    CHECK(narrow.gathered[i].ended == wide.gathered[i].ended);
  }
}

TEST_CASE("devices change nothing but the order") {
  const auto run_on = [](const std::string& devices) {
    return run_stages({"id: load, type: numbers, with: {count: 300}",
                       "id: r, type: repeat, with: {copies: 3}", "id: t, type: twice, " + devices,
                       "id: u, type: twice, " + devices, "id: all, type: together, from: u",
                       "id: out, type: collect, from: u"});
  };
  const Ran one = run_on("devices: cpu, lanes: 1, batch: {max_items: 1}");
  const Ran three = run_on("devices: [cpu:0, cpu:1, cpu:2], lanes: 2, batch: {max_wait_ms: 1}");
  CHECK(one.report.status == RunStatus::kSucceeded);
  CHECK(one.numbers.size() == 900);
  CHECK(one.numbers == three.numbers);
  REQUIRE(three.gathered.size() == 300);
  for (std::size_t i = 0; i < 300; ++i) CHECK(one.gathered[i].arrived == three.gathered[i].arrived);
  CHECK(three.stage("t").devices.size() == 3);
  std::uint64_t items = 0;
  for (const DeviceReport& device : three.stage("t").devices) items += device.items;
  CHECK(items == 900);
  CHECK(three.stage("t").received == 900);
  CHECK(three.stage("t").made == 900);
}

TEST_CASE("a pipeline may run again, and its stages are opened and closed in order each time") {
  Pipeline pipeline = compile_or_throw(
      "flowtts: 1\nstages:\n  - {id: load, type: numbers, with: {count: 5}}\n"
      "  - {id: out, type: collect}\n");
  for (int round = 0; round < 2; ++round) {
    Probe::get().reset();
    CHECK(run(pipeline, {}).records.written == 5);
    CHECK(Probe::get().numbers() == counted(5));
    CHECK(Probe::get().events() == std::vector<std::string>{"open numbers", "close numbers"});
  }
}

TEST_CASE("two runs at the same time do not touch one another") {
  const auto make = [] {
    return compile_or_throw(
        "flowtts: 1\nrun: {max_in_flight: 4, threads: 2}\nstages:\n"
        "  - {id: load, type: numbers, with: {count: 2000}}\n"
        "  - {id: r, type: repeat, concurrency: 2}\n  - {id: out, type: collect}\n");
  };
  Probe::get().reset();
  RunReport reports[2];
  {
    std::jthread first([&] {
      Pipeline pipeline = make();
      reports[0] = run(pipeline, {});
    });
    std::jthread second([&] {
      Pipeline pipeline = make();
      reports[1] = run(pipeline, {});
    });
  }
  for (const RunReport& report : reports) CHECK(report.items.written == 6000);
  CHECK(Probe::get().numbers().size() == 12'000);
}
