#include <doctest/doctest.h>
#include <flowtts/testing.h>

#include "tests/core/test_stages.h"

using namespace flowtts;
using namespace flowtts::testing;

namespace {

StageRunner::Options test_stages(std::filesystem::path output = {}) {
  return {&test_registry(), std::move(output), 0};
}

std::vector<std::int64_t> values(const std::vector<Num>& numbers) {
  std::vector<std::int64_t> found;
  for (const Num& one : numbers) found.push_back(one.value);
  return found;
}

RecordKey key(std::uint64_t index) { return {"n" + std::to_string(index), 0, index, 0}; }

}  // namespace

TEST_CASE("one stage is made from its lines, with the findings that a file would get") {
  const StageRunner good("type: add\nwith: {by: 3}", test_stages());
  CHECK(good.problems().empty());
  const StageRunner bad("type: add\nid: Add\nwith: {bye: 3}\nfrom: load", test_stages());
  CHECK(
      bad.problems() ==
      "stage:2:5: error[bad-id]: found 'Add' as a stage's id, expected a name of small letters, "
      "digits and '_' that begins with a letter and is neither vars nor run\n"
      "stage:3:8: error[unknown-key]: stage 'Add' (add): unknown key 'bye'; allowed is by, fault, "
      "fault_at or fault_times; did you mean 'by'?\n"
      "stage:4:1: error[misplaced-key]: a stage that stands alone has no 'from'");
  CHECK(StageRunner("type: ad", test_stages()).problems().find("did you mean 'add'?") !=
        std::string::npos);
  CHECK(StageRunner("- type: add", test_stages()).problems() ==
        "stage:1:1: error[wrong-type]: found a list, expected a stage's keys, such as type: ...");
  CHECK(StageRunner("", test_stages()).problems() ==
        "stage: error[empty-file]: the file holds no YAML value");
  const StageRunner picky("type: picky\nwith: {low: 2, high: 2}", test_stages());
  CHECK(picky.problems().empty());
  REQUIRE(picky.diagnostics().size() == 1);
  CHECK(picky.diagnostics()[0].severity == Severity::kWarning);
  CHECK(picky.notes() == std::vector<std::string>{"passes 0"});
}

TEST_CASE("a map, a filter, an expanding stage and a sink are called with a payload") {
  StageRunner add("type: add\nwith: {by: 3}", test_stages());
  auto made = add.process<Num>(Num{4});
  REQUIRE(made.ok());
  CHECK(values(*made) == std::vector<std::int64_t>{7});

  StageRunner filter("type: multiples", test_stages());
  CHECK(filter.process<Num>(Num{4}).ok());
  made = filter.process<Num>(Num{3});
  REQUIRE(made.is_filtered());
  CHECK(made.filtered().reason == "odd_three");

  StageRunner expand("type: repeat\nwith: {copies: 2, step: 5}", test_stages());
  made = expand.process<Num>(Num{1});
  REQUIRE(made.ok());
  CHECK(values(*made) == std::vector<std::int64_t>{1, 6});

  Probe::get().reset();
  StageRunner sink("type: collect\nwith: {fault: error, fault_at: 9}", test_stages());
  CHECK_FALSE(sink.consume(Num{8}).has_value());
  CHECK(Probe::get().numbers() == std::vector<std::int64_t>{8});
  CHECK(sink.consume(Num{9})->code == "test_error");
}

TEST_CASE("a stage is told which item and which attempt it works on") {
  StageRunner add("type: add\nwith: {fault: retry, fault_times: 1}", test_stages());
  auto made = add.process<Num>(Num{4});
  REQUIRE(made.is_error());
  CHECK(made.error().retryable);
  CHECK(add.item(key(4), {1, 2}, 2).process<Num>(Num{4}).ok());
}

TEST_CASE("a source is read to its end, opened before and closed afterwards") {
  Probe::get().reset();
  {
    StageRunner source("type: numbers\nwith: {count: 4, fault: error, fault_at: 2}", test_stages());
    const auto records = source.run_source<Num>();
    REQUIRE(records.ok());
    REQUIRE(records->size() == 4);
    CHECK(records->at(1).payload->value == 1);
    CHECK(records->at(2).payload.error().code == "test_error");
    CHECK(records->at(3).key.id == "n3");
    CHECK(records->at(3).offset == 30);
    CHECK(Probe::get().events() == std::vector<std::string>{"open numbers"});
  }
  CHECK(Probe::get().events() == std::vector<std::string>{"open numbers", "close numbers"});

  StageRunner some("type: numbers\nwith: {count: 6}", test_stages());
  const auto kept = some.run_source<Num>([](const RecordKey& record) { return record.index > 3; });
  REQUIRE(kept.ok());
  CHECK(kept->size() == 2);
  CHECK_FALSE(some.close().has_value());
}

TEST_CASE("a gather gets what came together and where the rest ended") {
  StageRunner gather("type: together", test_stages());
  Gathered<Num> all;
  all.arrived.push_back({{0}, std::make_shared<const Num>(Num{5})});
  all.arrived.push_back({{1}, std::make_shared<const Num>(Num{6})});
  all.ended.push_back({{2}, "split", AnyPayload::of(Num{7}), Filtered{"odd"}});
  const auto nums = gather.item(key(3)).gather<Nums>(std::move(all));
  REQUIRE(nums.ok());
  CHECK(nums->id == "n3");
  CHECK(nums->arrived == std::vector<std::int64_t>{5, 6});
  CHECK(nums->ended == std::vector<std::string>{"split:odd"});
}

TEST_CASE("a device stage is loaded once and works on the CPU") {
  Probe::get().reset();
  StageRunner device("type: twice\nwith: {fault: error, fault_at: 2}", test_stages());
  for (int round = 0; round < 2; ++round) {
    const auto made = device.process_batch<Num>(std::vector<Num>{{1}, {2}, {3}});
    REQUIRE(made.size() == 3);
    CHECK(made[0]->value == 2);
    CHECK(made[1].error().code == "test_error");
    CHECK(made[2]->value == 6);
  }
  CHECK(Probe::get().events() == std::vector<std::string>{"load on cpu:0"});
}

TEST_CASE("a record filter sees all records first and then says which it keeps") {
  StageRunner last("type: last\nwith: {count: 2}", test_stages());
  CHECK_FALSE(last.prepare({key(1), key(4), key(6)}).has_value());
  CHECK(last.keep(key(1)).value() == false);
  CHECK(last.keep(key(6)).value() == true);
}

TEST_CASE("whatever a test gets wrong, and whatever a stage throws, is an error") {
  const auto code = [](const auto& result) {
    return result.is_error() ? result.error().code : std::string();
  };
  StageRunner add("type: add\nwith: {fault: throw_int, fault_at: 3}", test_stages());
  CHECK(code(add.process<Num>(Word{"x"})) == "wrong_payload");
  CHECK(code(add.process<Word>(Num{1})) == "wrong_payload");
  CHECK(code(add.process_any(AnyPayload())) == "wrong_payload");
  CHECK(code(add.process<Num>(Num{3})) == "exception");
  CHECK(code(add.run_source<Num>()) == "wrong_kind");
  CHECK(code(add.gather<Num>(Gathered<Num>())) == "wrong_kind");
  CHECK(code(add.process_batch<Num>(std::vector<Num>{{1}})[0]) == "wrong_kind");
  CHECK(code(add.keep(key(1))) == "wrong_kind");
  CHECK(add.prepare({})->code == "wrong_kind");
  StageRunner gather("type: together", test_stages());
  Gathered<Word> words;
  words.arrived.push_back({{}, std::make_shared<const Word>(Word{"x"})});
  CHECK(code(gather.gather<Nums>(std::move(words))) == "wrong_payload");
  StageRunner bad("type: ad", test_stages());
  CHECK(code(bad.process<Num>(Num{3})) == "bad_stage");
  CHECK_FALSE(bad.close().has_value());
  for (const char* lines : {"type: numbers\nwith: {count: 3, fault: throw}"}) {
    StageRunner source(lines, test_stages());
    CHECK(code(source.run_source<Num>()) == "exception");
  }
  StageRunner device("type: twice\nwith: {fault: throw}", test_stages());
  CHECK(code(device.process_batch<Num>(std::vector<Num>{{1}, {2}})[1]) == "exception");
  StageRunner filter("type: every\nwith: {fault: throw}", test_stages());
  CHECK(code(filter.keep(key(1))) == "exception");
}
