#include <algorithm>
#include <string>
#include <vector>

#include "core/run/journal.h"
#include "core/run/output_folder.h"
#include "tests/core/run/run_pipeline.h"
#include "tests/stages/temp_folder.h"

/// A run goes on in its folder where it stopped.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

struct Session {
  RunReport report;
  std::vector<std::int64_t> numbers;  ///< That reached the sink, sorted.
  std::shared_ptr<Listening> heard = std::make_shared<Listening>();
};

struct How {
  std::string source = "count: 20";
  std::string map = "by: 0";
  std::string filter = "nth: 2";
  std::string sink = "undoes: -1";
  std::string run = "max_in_flight: 8";
  RunOptions options = {};
};

Session session(const TempFolder& folder, const How& how) {
  const std::string yaml =
      "flowtts: 1\nname: test\nrun: {output: " + (folder.path() / "out").string() + ", " + how.run +
      ", on_error: {max_failed: 100%}}\nstages:\n"
      "  - {id: load, type: numbers, with: {" +
      how.source +
      "}}\n"
      "  - {id: some, type: every, with: {" +
      how.filter +
      "}}\n"
      "  - {id: map, type: add, concurrency: 2, with: {" +
      how.map +
      "}}\n"
      "  - {id: out, type: collect, with: {" +
      how.sink + "}}\n";
  CAPTURE(yaml);
  Pipeline pipeline = compile_or_throw(yaml);
  Probe::get().reset();
  Session made;
  RunOptions options = how.options;
  options.observer = made.heard.get();
  made.report = run(pipeline, options);
  made.numbers = Probe::get().numbers();
  CHECK(made.report.records.balanced());
  CHECK(made.report.items.balanced());
  return made;
}

/// What `how` leaves of a run that a fatal error ends at the record 10.
Session cut_short(const TempFolder& folder, How how = {}) {
  how.map += ", fault: fatal, fault_at: 10";
  how.run = "max_in_flight: 1";  // all before it is settled
  return session(folder, how);
}

std::vector<std::int64_t> even(std::int64_t first, std::int64_t end) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = first; i < end; i += 2) numbers.push_back(i);
  return numbers;
}

JournalContents journal_in(const TempFolder& folder) {
  return read_journal(folder.path() / "out" / "journal.jsonl").value();
}

}  // namespace

TEST_CASE("what is done is not done again, and the counts are those of the whole") {
  const TempFolder folder;
  How how;
  how.run = "commit_every_s: 0";
  How faulty = how;
  faulty.map = "by: 0, fault: fatal, fault_at: 10";
  faulty.run = "max_in_flight: 1, commit_every_s: 0";
  const Session first = session(folder, faulty);
  CHECK(first.report.status == RunStatus::kEnvironment);
  CHECK(first.numbers == even(0, 10));
  CHECK(journal_in(folder).done.size() == 5);
  CHECK_FALSE(journal_in(folder).end.has_value());

  how.map = "by: 0, fault: none, fault_at: 10";
  how.options.accept_changes = {"pipeline"};  // the fault is a parameter
  const Session second = session(folder, how);
  CHECK(second.report.status == RunStatus::kSucceeded);
  CHECK(second.numbers == even(10, 20));
  CHECK(second.report.session == 2);
  CHECK(second.report.records_done_before == 5);
  CHECK(second.report.records.read == 20);
  CHECK(second.report.records.written == 10);
  CHECK(second.report.records.filtered == 10);
  CHECK(second.report.items.written == 10);
  CHECK(second.report.media_seconds == doctest::Approx(5));
  CHECK(journal_in(folder).done.size() == 10);
  CHECK(journal_in(folder).end.has_value());
}

TEST_CASE("a run that is complete starts nothing and says so, with the same status and counts") {
  const TempFolder folder;
  How how;
  how.map = "by: 0, fault: error, fault_at: 4";
  const Session first = session(folder, how);
  const Session again = session(folder, how);
  CHECK(again.numbers.empty());
  CHECK(again.report.already_complete);
  CHECK(again.report.status == first.report.status);
  CHECK(again.report.records.read == 20);
  CHECK(again.report.records.written == 9);
  CHECK(again.report.records.failed == 1);
  CHECK(again.report.failed_items == first.report.failed_items);
  CHECK(again.report.filtered_records == first.report.filtered_records);
  CHECK(Probe::get().events().empty());
}

TEST_CASE("what would change the results is refused by name, and nothing is touched") {
  struct Case {
    std::string what;
    std::function<void(How&)> change;
    std::vector<std::string> said;
    std::string group;
  };
  for (const Case& c : {
           Case{"a parameter",
                [](How& how) { how.map = "by: 5"; },
                {"map.by (pipeline): was '0', is '5'", "--accept-changes=pipeline"},
                "pipeline"},
           Case{"the seed",
                [](How& how) { how.run = "seed: 3"; },
                {"run.seed (pipeline): was '0', is '3'"},
                "pipeline"},
           Case{"a filter",
                [](How& how) { how.filter = "nth: 1"; },
                {"some.nth (pipeline): was '2', is '1'"},
                "pipeline"},
       }) {
    CAPTURE(c.what);
    const TempFolder folder;
    How how;
    cut_short(folder, how);
    const std::string before = read_whole_file(folder.path() / "out" / "journal.jsonl");
    how.map = "by: 0, fault: fatal, fault_at: 10";
    how.run = "max_in_flight: 3";  // no such change
    c.change(how);
    const Session refused = session(folder, how);
    CHECK(refused.report.status == RunStatus::kRefused);
    REQUIRE(refused.report.error.has_value());
    for (const std::string& said : c.said) {
      CHECK(refused.report.error->message.find(said) != std::string::npos);
    }
    CHECK(refused.numbers.empty());
    CHECK(read_whole_file(folder.path() / "out" / "journal.jsonl") == before);

    how.options.accept_changes = {c.group};
    CHECK(session(folder, how).report.status != RunStatus::kRefused);
  }
}

TEST_CASE("limits, threads and the like are no change") {
  const TempFolder folder;
  How how;
  cut_short(folder, how);
  how.map = "by: 0, fault: fatal, fault_at: 10";
  how.run = "max_in_flight: 3, memory_limit: 2MiB, threads: 1, drain_s: 1, stall_after_s: 9";
  CHECK(session(folder, how).report.status == RunStatus::kEnvironment);  // goes on, to the fault
}

TEST_CASE("records that were chosen are done again, or all that failed") {
  const TempFolder folder;
  How how;
  how.map = "by: 0, fault: error, fault_at: 4";
  session(folder, how);
  How mended = how;
  mended.map = "by: 0, fault: none, fault_at: 4";
  mended.options.accept_changes = {"pipeline"};
  mended.options.redo_failed = true;
  const Session retried = session(folder, mended);
  CHECK(retried.numbers == std::vector<std::int64_t>{4});
  CHECK(retried.report.records.written == 10);
  CHECK(retried.report.records.failed == 0);
  CHECK(read_whole_file(folder.path() / "out" / "failures.jsonl").empty());

  mended.options.redo_failed = false;
  mended.options.redo = {2, 6, 99};
  const Session chosen = session(folder, mended);
  CHECK(chosen.numbers == std::vector<std::int64_t>{2, 6});
  CHECK(chosen.report.records.written == 10);
  CHECK(journal_in(folder).done.size() == 10);
}

TEST_CASE("records that the source could not make are not made again either") {
  const TempFolder folder;
  How how;
  how.source = "count: 20, fault: error, fault_at: 3";
  const Session first = cut_short(folder, how);
  how.map = "by: 0, fault: none, fault_at: 10";
  how.options.accept_changes = {"pipeline"};
  const Session second = session(folder, how);
  CHECK(second.report.records.failed == 1);
  CHECK(second.report.records.read == 20);
  CHECK(second.numbers == even(10, 20));
  const std::string failures = read_whole_file(folder.path() / "out" / "failures.jsonl");
  CHECK(std::count(failures.begin(), failures.end(), '\n') == 1);
}

TEST_CASE(
    "an input that says something else at a place that is done ends the run, or is done anew") {
  const TempFolder folder;
  How how;
  session(folder, how);
  {
    JournalContents contents;
    auto journal = Journal::open(folder.path() / "out" / "journal.jsonl", contents);
    DoneRecord other = *contents.done.find(4);
    other.content_hash += 1;
    const std::vector<DoneRecord> records{other};
    REQUIRE_FALSE((*journal)->append(records));
    const std::vector<std::uint64_t> unfinished{18};
    REQUIRE_FALSE((*journal)->append_redo(unfinished));
  }
  const Session stopped = session(folder, how);
  CHECK(stopped.report.status == RunStatus::kEnvironment);
  REQUIRE(stopped.report.error.has_value());
  CHECK(stopped.report.error->code == "input_changed");
  CHECK(stopped.report.error->message.find("record 4 ('n4')") != std::string::npos);

  how.options.accept_changes = {"input"};
  CHECK(session(folder, how).numbers == std::vector<std::int64_t>{4, 18});
}

TEST_CASE(
    "a folder in which another run works is refused at once, one with other things untouched") {
  const TempFolder folder;
  JournalContents contents;
  const auto held = OutputFolder::open(folder.path() / "out", contents);
  REQUIRE(held.ok());
  const Session second = session(folder, {});
  CHECK(second.report.status == RunStatus::kRefused);
  CHECK(second.report.error->code == "output_in_use");

  const TempFolder other;
  std::filesystem::create_directories(other.path() / "out");
  other.write("out/precious.txt", "mine");
  const Session refused = session(other, {});
  CHECK(refused.report.status == RunStatus::kRefused);
  CHECK(refused.report.error->message.find("precious.txt") != std::string::npos);
  CHECK(std::distance(std::filesystem::directory_iterator(other.path() / "out"), {}) == 1);
}

TEST_CASE("a folder in which nothing had begun yet is begun anew") {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path() / "out" / "log");
  folder.write("out/journal.jsonl", "{\"session\":1,\"jour");
  folder.write("out/failures.jsonl", "");
  const Session made = session(folder, {});
  CHECK(made.report.status == RunStatus::kSucceeded);
  CHECK(made.numbers == even(0, 20));
  CHECK(made.heard->heard("was not written out"));
}

TEST_CASE("what a stage takes back at the end is not done, however often the run goes on") {
  const TempFolder folder;
  How how;
  how.sink = "undoes: 6";
  for (const auto& numbers :
       {even(0, 20), std::vector<std::int64_t>{6}, std::vector<std::int64_t>{6}}) {
    const Session made = session(folder, how);
    CHECK(made.report.status == RunStatus::kEnvironment);
    CHECK(made.numbers == numbers);
  }
  CHECK_FALSE(journal_in(folder).complete());
  how.sink = "undoes: -1";
  CHECK(session(folder, how).report.status == RunStatus::kSucceeded);
}
