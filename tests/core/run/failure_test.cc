#include <rapidjson/document.h>

#include <algorithm>
#include <sstream>

#include "core/sealed_line.h"
#include "tests/core/run/run_pipeline.h"
#include "tests/stages/temp_folder.h"

/// What goes wrong with an item stays with that item; what goes wrong with the run ends it loudly.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

using Counts = std::map<std::string, std::uint64_t>;

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::istringstream text(read_whole_file(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(unseal_line(line).value_or("not sealed: " + line));
  }
  return lines;
}

rapidjson::Document parsed(const std::string& json) {
  rapidjson::Document document;
  document.Parse(json.data(), json.size());
  REQUIRE_FALSE(document.HasParseError());
  return document;
}

/// The pipeline that the table below puts faults into, a stage of each kind.
std::vector<std::string> stages_with(const std::string& id, const std::string& fault) {
  std::vector<std::string> stages{
      "id: load, type: numbers, with: {count: 40",
      "id: pushed, type: every, with: {nth: 1",
      "id: map, type: add, concurrency: 2, with: {by: 0",
      "id: inner, type: every, concurrency: 2, with: {nth: 1",
      "id: expand, type: repeat, concurrency: 2, with: {copies: 2, step: 100",
      "id: filter, type: multiples, concurrency: 2, with: {of: 1",
      "id: device, type: twice, devices: [cpu:0, cpu:1], batch: {max_wait_ms: 1}, with: "
      "{fault_times: 2",
      "id: gather, type: together, from: device, with: {fault_times: 2",
      "id: sum, type: sum_up",
      "id: out, type: collect, concurrency: 2, with: {fault_times: 2",
  };
  for (std::string& stage : stages) {
    const bool faulty = stage.starts_with("id: " + id + ",");
    if (stage.find("with:") != std::string::npos) stage += (faulty ? ", " + fault : "") + "}";
  }
  return stages;
}

}  // namespace

TEST_CASE("an error or an exception at any stage fails its item alone") {
  struct Case {
    std::string stage;
    std::string fault;
    std::string code;
    std::uint64_t items = 1;  ///< That fail.
  };
  std::vector<Case> cases;
  const std::map<std::string, std::string> codes{{"error", "test_error"},
                                                 {"throw", "exception"},
                                                 {"throw_int", "exception"},
                                                 {"bad_alloc", "out_of_memory"}};
  for (const auto& [fault, code] : codes) {
    for (const char* stage : {"map", "expand", "device", "gather", "out"}) {
      const bool at_out = std::string(stage) == "out";  // sums are other numbers
      cases.push_back({stage, "fault: " + fault + ", fault_at: " + (at_out ? "200" : "7"), code});
    }
    if (fault != "error") {
      for (const char* stage : {"pushed", "inner", "filter"}) {
        cases.push_back({stage, "fault: " + fault + ", fault_at: 7", code});
      }
    }
  }
  cases.push_back({"load", "fault: error, fault_at: 7", "test_error"});
  // 0 + 0 and 100 + 100, doubled and added up, are 200: so is the sum of no other number.
  const std::vector<std::int64_t> sums = [] {
    std::vector<std::int64_t> numbers;
    for (std::int64_t n = 0; n < 40; ++n) numbers.push_back(2 * n + 2 * (n + 100));
    return numbers;
  }();
  for (const Case& one : cases) {
    CAPTURE(one.stage);
    CAPTURE(one.fault);
    const Ran ran = run_stages(stages_with(one.stage, one.fault));
    CHECK(ran.report.status == RunStatus::kSucceeded);  // 100% are tolerated
    CHECK(ran.report.records.read == 40);
    CHECK(ran.report.records.failed == 1);
    CHECK(ran.report.records.written == 39);
    CHECK(ran.stage(one.stage).failed == (one.stage == "load" ? 0 : 1));
    if (one.stage == "gather") {
      CHECK(ran.report.failed_items.empty());  // its items had come to their end
    } else {
      CHECK(ran.report.failed_items == Counts{{one.code, 1}});
    }
    const bool ends_early = one.stage == "gather" || one.stage == "out";
    CHECK(ran.numbers.size() == (ends_early ? 39 : 40));
    if (!ends_early && one.stage != "device" && one.stage != "filter") {
      // The record of number 7 was gathered all the same, with nothing in it.
      CHECK(std::count(ran.numbers.begin(), ran.numbers.end(), 0) == 1);
      CHECK(std::count(ran.numbers.begin(), ran.numbers.end(), sums[7]) == 0);
    }
  }
}

TEST_CASE("an item that is filtered is counted by its reason") {
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 12, fault: filter, fault_at: 4}",
                  "id: a, type: add, with: {by: 0, fault: filter, fault_at: 6}",
                  "id: m, type: multiples", "id: out, type: collect"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.numbers == std::vector<std::int64_t>{0, 2, 8, 10});
  CHECK(ran.report.filtered_items == Counts{{"odd", 4}, {"odd_three", 2}, {"told_to", 2}});
  CHECK(ran.report.records.filtered == 8);
  CHECK(ran.report.records.failed == 0);
  CHECK(ran.stage("m").filtered == 6);
  CHECK(ran.stage("a").filtered == 1);
}

TEST_CASE("a gather that filters its record leaves it as its items made it") {
  const Ran ran = run_stages({"id: load, type: numbers, with: {count: 5}",
                              "id: all, type: together, with: {fault: filter, fault_at: 2}",
                              "id: s, type: sum_up", "id: out, type: collect"});
  CHECK(ran.numbers == std::vector<std::int64_t>{0, 1, 3, 4});
  CHECK(ran.report.records.written == 5);
  CHECK(ran.stage("all").filtered == 1);
}

TEST_CASE("what may pass is tried again, as often as the file says, at every kind of stage") {
  for (const char* stage : {"map", "expand", "device", "gather", "out"}) {
    CAPTURE(stage);
    const std::string at = std::string(stage) == "out" ? "200" : "7";
    const Ran works = run_stages(stages_with(stage, "fault: retry, fault_at: " + at),
                                 {"{max_in_flight: 8, on_error: {retries: 2}}"});
    CHECK(works.report.status == RunStatus::kSucceeded);
    CHECK(works.report.records.written == 40);
    CHECK(works.stage(stage).retried == 2);
    CHECK(works.stage(stage).failed == 0);
    CHECK(works.numbers.size() == 40);
    const Ran fails = run_stages(stages_with(stage, "fault: retry, fault_at: " + at),
                                 {"{max_in_flight: 8, on_error: {retries: 1}}"});
    CHECK(fails.report.status == RunStatus::kOverPolicy);
    CHECK(fails.report.records.failed == 1);
    CHECK(fails.stage(stage).retried == 1);
    CHECK(fails.stage(stage).failed == 1);
  }
}

TEST_CASE("more failed records than the policy tolerates are a status of their own") {
  const auto status = [](const std::string& policy) {
    return run_stages(
               {"id: load, type: numbers, with: {count: 100, fault: error, fault_at: 7}",
                "id: a, type: add, with: {fault: error, fault_at: 8}", "id: out, type: collect"},
               {"{on_error: {max_failed: " + policy + "}}"})
        .report.status;
  };
  CHECK(status("1") == RunStatus::kOverPolicy);
  CHECK(status("2") == RunStatus::kSucceeded);
  CHECK(status("1.9%") == RunStatus::kOverPolicy);
  CHECK(status("2%") == RunStatus::kSucceeded);
}

TEST_CASE("a fatal error ends the run with its stage's name, and the ledger balances") {
  for (const char* stage : {"load", "map", "expand", "device", "gather", "out"}) {
    CAPTURE(stage);
    const std::string at = std::string(stage) == "out" ? "200" : "7";
    const Ran ran = run_stages(stages_with(stage, "fault: fatal, fault_at: " + at));
    CHECK(ran.report.status == RunStatus::kEnvironment);
    REQUIRE(ran.report.error.has_value());
    CHECK(ran.report.error->message == "stage '" + std::string(stage) + "': told to end the run");
    CHECK(ran.heard->heard(ran.report.error->message));
    CHECK(ran.report.records.failed == 0);
    CHECK(ran.report.records.read <= 40);
    if (std::string(stage) != "load") CHECK(ran.report.records.unfinished >= 1);
  }
}

TEST_CASE("an exception in the source ends the run") {
  for (const char* fault : {"throw", "throw_int", "bad_alloc"}) {
    const Ran ran = run_stages({"id: load, type: numbers, with: {count: 40, fault_at: 30, fault: " +
                                    std::string(fault) + "}",
                                "id: out, type: collect"});
    CHECK(ran.report.status == RunStatus::kEnvironment);
    CHECK(ran.report.records.read == 30);
    REQUIRE(ran.report.error.has_value());
    CHECK(ran.report.error->message.starts_with("stage 'load': cannot read on: "));
  }
}

TEST_CASE("the word 'cancelled' from a stage is an error like any other") {
  for (const std::string stage : {"map", "device"}) {
    const Ran ran = run_stages(stages_with(stage, "fault: cancelled, fault_at: 7"));
    CHECK(ran.report.status == RunStatus::kSucceeded);
    CHECK(ran.report.records.failed == 1);
    CHECK(ran.report.failed_items == Counts{{"cancelled", 1}});
  }
}

TEST_CASE("failures.jsonl has a line for each failure, with what it takes to try again") {
  const TempFolder folder;
  const std::string output = (folder.path() / "out").string();
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 10, fault: error, fault_at: 3}",
                  "id: r, type: repeat, with: {copies: 2, step: 100}",
                  "id: a, type: add, with: {by: 0, fault: retry, fault_at: 105, fault_times: 9}",
                  "id: all, type: together, with: {fault: throw, fault_at: 8}"},
                 {"{output: \"" + output + "\", seed: 5, on_error: {retries: 2, max_failed: 3}}"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  std::vector<std::string> lines = lines_of(folder.path() / "out/failures.jsonl");
  REQUIRE(lines.size() == 3);
  std::sort(lines.begin(), lines.end());
  CHECK(lines[0] ==
        R"({"index":3,"id":"n3","offset":30,"stage":"load","attempts":1,"error":"test_error",)"
        R"("message":"told to fail","path":[],"item":null})");
  CHECK(lines[1] ==
        R"({"index":5,"id":"n5","offset":50,"stage":"a","attempts":3,"error":"busy",)"
        R"("message":"try again","path":[1],"item":{"type":"num","payload":{"value":105}}})");
  CHECK(lines[2] ==
        R"({"index":8,"id":"n8","offset":80,"stage":"all","attempts":1,"error":"exception",)"
        R"("message":"told to throw","path":[],"item":{"type":"num","payload":{"value":8}}})");
  for (const std::string& line : lines) CHECK(parsed(line).IsObject());
}

TEST_CASE("a payload that cannot be written costs its part of the line only") {
  const TempFolder folder;
  const std::string output = (folder.path() / "out").string();
  const Ran ran =
      run_stages({"id: load, type: numbers, with: {count: 3}", "id: a, type: add, with: {by: -667}",
                  "id: b, type: add, with: {fault: error}", "id: out, type: collect"},
                 {"{output: \"" + output + "\", on_error: {max_failed: 3}}"});
  CHECK(ran.report.status == RunStatus::kSucceeded);
  std::vector<std::string> lines = lines_of(folder.path() / "out/failures.jsonl");
  REQUIRE(lines.size() == 3);
  int nulls = 0;
  for (const std::string& line : lines) {
    const rapidjson::Document document = parsed(line);
    nulls += document["item"]["payload"].IsNull() ? 1 : 0;
  }
  CHECK(nulls == 1);  // -667 + 1 is the number that to_json throws at
}

TEST_CASE("run.json says what the report says") {
  const TempFolder folder;
  const std::string output = (folder.path() / "deep/out").string();
  const Ran ran = run_stages(
      {"id: load, type: numbers, with: {count: 100}", "id: pick, type: every, with: {nth: 4}",
       "id: r, type: repeat, with: {copies: 3}", "id: m, type: multiples, with: {of: 8}",
       "id: t, type: twice, devices: [cpu:0, cpu:1]",
       "id: a, type: add, with: {fault: error, fault_at: 2000}", "id: out, type: collect"},
      {"{output: \"" + output + "\", seed: 18446744073709551615, on_error: {max_failed: 50%}}"});
  const std::string json = read_whole_file(folder.path() / "deep/out/run.json");
  CHECK(json.ends_with("}\n"));
  const rapidjson::Document run_json = parsed(json);
  const RunReport& report = ran.report;
  const auto same = [](const rapidjson::Value& written, const Ledger& ledger) {
    CHECK(written["read"].GetUint64() == ledger.read);
    CHECK(written["written"].GetUint64() == ledger.written);
    CHECK(written["filtered"].GetUint64() == ledger.filtered);
    CHECK(written["failed"].GetUint64() == ledger.failed);
    CHECK(written["unfinished"].GetUint64() == ledger.unfinished);
  };
  same(run_json["records"], report.records);
  same(run_json["items"], report.items);
  CHECK(report.records.read == 100);
  CHECK(report.records.filtered == 75 + 12);  // half of those that are left are no multiples of 8
  CHECK(report.records.failed == 1);
  CHECK(report.items.read == 75);
  CHECK(std::string(run_json["state"].GetString()) == "succeeded");
  CHECK(std::string(run_json["flowtts"].GetString()) == version());
  CHECK(std::string(run_json["pipeline"].GetString()) == "test");
  CHECK(run_json["seed"].GetUint64() == 18446744073709551615U);
  CHECK(run_json["config"]["run"]["seed"].GetUint64() == 18446744073709551615U);
  CHECK(run_json["filtered_records"]["pick"].GetUint64() == 75);
  CHECK(run_json["filtered_items"].MemberCount() == report.filtered_items.size());
  CHECK(run_json["failed_items"]["test_error"].GetUint64() == report.failed_items.at("test_error"));
  REQUIRE(run_json["stages"].Size() == 7);
  for (rapidjson::SizeType i = 0; i < 7; ++i) {
    const rapidjson::Value& stage = run_json["stages"][i];
    CHECK(stage["id"].GetString() == report.stages[i].id);
    CHECK(stage["received"].GetUint64() == report.stages[i].received);
    CHECK(stage["made"].GetUint64() == report.stages[i].made);
    CHECK(stage["failed"].GetUint64() == report.stages[i].failed);
  }
  CHECK(run_json["stages"][1]["received"].GetUint64() == 100);
  CHECK(run_json["stages"][1]["made"].GetUint64() == 25);
  REQUIRE(run_json["stages"][4]["devices"].Size() == 2);
  CHECK(std::string(run_json["stages"][4]["devices"][1]["device"].GetString()) == "cpu:1");
  CHECK(std::filesystem::exists(folder.path() / "deep/out/log/run.log"));
}

TEST_CASE("an output folder that holds something is refused, and stays as it is") {
  const TempFolder folder;
  folder.write("keep.txt", "mine");
  const auto before = std::filesystem::last_write_time(folder.path());
  Pipeline pipeline =
      compile_or_throw("flowtts: 1\nrun: {output: \"" + folder.path().string() +
                       "\"}\nstages:\n  - {id: load, type: numbers, with: {count: 5}}\n"
                       "  - {id: out, type: collect}\n");
  Probe::get().reset();
  const RunReport report = run(pipeline, {});
  CHECK(report.status == RunStatus::kRefused);
  REQUIRE(report.error.has_value());
  CHECK(report.error->message.find("keep.txt") != std::string::npos);
  CHECK(Probe::get().events().empty());
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename().string());
  }
  CHECK(names == std::vector<std::string>{"keep.txt"});
  CHECK(read_whole_file(folder.path() / "keep.txt") == "mine");
  CHECK(std::filesystem::last_write_time(folder.path()) == before);
}

TEST_CASE(
    "an output that cannot be a folder is refused, one that cannot be made is the disk's fault") {
  const TempFolder folder;
  const std::string file = folder.write("file", "x");
  const auto run_into = [](const std::string& output) {
    Pipeline pipeline =
        compile_or_throw("flowtts: 1\nrun: {output: \"" + output +
                         "\"}\nstages:\n  - {id: load, type: numbers, with: {count: 5}}\n"
                         "  - {id: out, type: collect}\n");
    return run(pipeline, {});
  };
  CHECK(run_into(file).status == RunStatus::kRefused);
  const RunReport below = run_into(file + "/out");
  CHECK(below.status == RunStatus::kEnvironment);
  CHECK(below.error->message.find("Not a directory") != std::string::npos);
  CHECK(run_into("/proc/flowtts-none/out").status == RunStatus::kEnvironment);
  CHECK(read_whole_file(file) == "x");
}

TEST_CASE("a run whose stage cannot be opened, prepared or loaded says so and opens no more") {
  struct Broken final : Map<Num, Num> {
    std::string where;
    static void describe(Spec<Broken>& spec) {
      spec.name("broken").summary("Cannot be opened or closed.");
      spec.param("where", &Broken::where, "When.");
    }
    std::optional<Error> open(const RunContext&) const {
      if (where == "open") return Error{"no", "no such thing"};
      if (where == "open_throws") throw 3;
      return std::nullopt;
    }
    std::optional<Error> close() const {
      if (where == "close") return Error{"no", "cannot finish"};
      if (where == "close_throws") throw std::runtime_error("cannot finish");
      return std::nullopt;
    }
    Num process(const Num& in, const Item&) const { return in; }
  };
  struct Unloadable final : DeviceStage<Num, Num> {
    static void describe(Spec<Unloadable>& spec) {
      spec.name("unloadable").summary("Cannot be loaded.");
    }
    std::optional<Error> load(DeviceContext&) const { return Error{"no", "no such model"}; }
    std::size_t length(const Num&) const { return 1; }
    std::vector<Result<Num>> process_batch(std::span<const BatchItem<Num>>, DeviceContext&) const {
      return {};
    }
  };
  StageRegistry registry;
  registry.add(make_stage_type<Numbers>());
  registry.add(make_stage_type<Collect>());
  registry.add(make_stage_type<Last>());
  registry.add(make_stage_type<Broken>());
  registry.add(make_stage_type<Unloadable>());
  const auto run_with = [&](const std::string& stage) {
    Pipeline pipeline = compile_or_throw(
        "flowtts: 1\nstages:\n  - {id: load, type: numbers, with: {count: 5}}\n  - {" + stage +
            "}\n  - {id: out, type: collect}\n",
        registry);
    Probe::get().reset();
    const RunReport report = run(pipeline, {});
    CHECK(report.records.balanced());
    CHECK(Probe::get().events() == std::vector<std::string>{"open numbers", "close numbers"});
    return report;
  };
  struct Case {
    std::string stage;
    std::string message;
    std::uint64_t read;
  };
  for (const Case& one : std::vector<Case>{
           {"id: b, type: broken, with: {where: open}", "stage 'b': no such thing", 0},
           {"id: b, type: broken, with: {where: open_throws}",
            "stage 'b': an exception that is no std::exception", 0},
           {"id: b, type: broken, with: {where: close}", "stage 'b': cannot finish", 5},
           {"id: b, type: broken, with: {where: close_throws}", "stage 'b': cannot finish", 5},
           {"id: b, type: last, with: {fault: throw}", "stage 'b': told to throw", 0},
           {"id: b, type: last, with: {fault: throw_int}",
            "stage 'b': an exception that is no std::exception", 0}}) {
    CAPTURE(one.stage);
    const RunReport report = run_with(one.stage);
    CHECK(report.status == RunStatus::kEnvironment);
    REQUIRE(report.error.has_value());
    CHECK(report.error->message == one.message);
    CHECK(report.records.read == one.read);
  }
  const RunReport unloaded = run_with("id: b, type: unloadable, devices: [cpu:0, cpu:1]");
  CHECK(unloaded.status == RunStatus::kEnvironment);
  CHECK(unloaded.error->message.find("no such model") != std::string::npos);
  CHECK(unloaded.stages.size() == 3);
}
