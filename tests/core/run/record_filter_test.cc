#include "tests/core/run/run_pipeline.h"

/// Record filters give the same records wherever they stand.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

const std::string kLoad = "id: load, type: numbers, with: {count: 100";

}  // namespace

TEST_CASE("a record filter keeps the same records in the reader and inside the flow") {
  const Ran pushed = run_stages({kLoad + "}", "id: f, type: every, with: {nth: 3}",
                                 "id: a, type: add", "id: out, type: collect"});
  const Ran inside =
      run_stages({kLoad + "}", "id: a, type: add",
                  "id: f, type: every, with: {nth: 3}, concurrency: 3", "id: out, type: collect"});
  CHECK(pushed.numbers == counted(34, 1, 3));
  CHECK(inside.numbers == pushed.numbers);
  for (const Ran* ran : {&pushed, &inside}) {
    CHECK(ran->report.records.read == 100);
    CHECK(ran->report.records.written == 34);
    CHECK(ran->report.records.filtered == 66);
    CHECK(ran->stage("f").received == 100);
    CHECK(ran->stage("f").made == 34);
    CHECK(ran->stage("f").filtered == 66);
  }
  using Counts = std::map<std::string, std::uint64_t>;
  CHECK(pushed.report.filtered_records == Counts{{"f", 66}});
  CHECK(pushed.report.items.read == 34);
  CHECK(inside.report.filtered_items == Counts{{"f", 66}});
  CHECK(inside.report.items.read == 100);
}

TEST_CASE("a source that does not ask which records to keep is filtered all the same") {
  for (const char* filter :
       {"id: f, type: every, with: {nth: 3}", "id: f, type: last, with: {count: 7}"}) {
    const Ran asks = run_stages({kLoad + "}", filter, "id: out, type: collect"});
    const Ran does_not = run_stages({kLoad + ", asks: false}", filter, "id: out, type: collect"});
    CHECK(does_not.numbers == asks.numbers);
    CHECK(does_not.numbers.size() < 100);
    CHECK(does_not.report.records.read == 100);
    CHECK(does_not.report.records.filtered == asks.report.records.filtered);
  }
}

TEST_CASE("several record filters behind the source each see what the ones before them keep") {
  const Ran ran = run_stages({kLoad + "}", "id: third, type: every, with: {nth: 3}",
                              "id: fourth, type: every, with: {nth: 4}", "id: out, type: collect"});
  CHECK(ran.numbers == counted(9, 0, 12));
  CHECK(ran.stage("third").received == 100);
  CHECK(ran.stage("fourth").received == 34);
  using Counts = std::map<std::string, std::uint64_t>;
  CHECK(ran.report.filtered_records == Counts{{"fourth", 25}, {"third", 66}});
}

TEST_CASE("a filter that looks at all records first sees those that the filters before it keep") {
  const Ran alone =
      run_stages({kLoad + "}", "id: last, type: last, with: {count: 5}", "id: out, type: collect"});
  CHECK(alone.numbers == counted(5, 95));
  CHECK(alone.report.records.read == 100);
  CHECK(Probe::get().events() ==
        std::vector<std::string>{"open numbers", "close numbers", "open numbers", "close numbers"});
  const Ran behind =
      run_stages({kLoad + "}", "id: third, type: every, with: {nth: 3}",
                  "id: last, type: last, with: {count: 5}", "id: out, type: collect"});
  CHECK(behind.numbers == counted(5, 87, 3));
  const Ran twice = run_stages({"id: first, type: last, from: load, with: {count: 30}", kLoad + "}",
                                "id: second, type: last, from: first, with: {count: 5}",
                                "id: out, type: collect"});
  CHECK(twice.numbers == counted(5, 95));
}

TEST_CASE("a malformed record fails although a filter would not have kept it") {
  const Ran ran = run_stages({kLoad + ", fault: error, fault_at: 7}",
                              "id: f, type: every, with: {nth: 3}", "id: out, type: collect"});
  CHECK(ran.numbers == counted(34, 0, 3));
  CHECK(ran.report.records.failed == 1);
  CHECK(ran.report.records.filtered == 65);
}

TEST_CASE("a filter that fails in the reader fails the record, under its own name") {
  const Ran ran =
      run_stages({kLoad + "}", "id: f, type: every, with: {nth: 3, fault: throw, fault_at: 7}",
                  "id: all, type: together"});
  CHECK(ran.report.records.failed == 1);
  CHECK(ran.report.records.written == 34);
  CHECK(ran.stage("f").failed == 1);
  REQUIRE(ran.gathered.size() == 35);
  int found = 0;
  for (const Nums& nums : ran.gathered) {
    if (nums.id != "n7") continue;
    ++found;
    CHECK(nums.ended == std::vector<std::string>{"f:exception"});
  }
  CHECK(found == 1);
}
