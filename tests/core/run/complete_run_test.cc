#include <fstream>
#include <string>
#include <vector>

#include "tests/core/run/run_pipeline.h"
#include "tests/stages/temp_folder.h"

/// When a run counts as complete, so that the next one finds nothing left to do.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

struct Folder {
  TempFolder temporary;
  std::filesystem::path path = temporary.path() / "out";
  std::filesystem::path journal = path / "journal.jsonl";
  std::filesystem::path run_json = path / "run.json";

  /// A run of 20 records, of which the reader's filter takes every second.
  Ran run() const {
    return run_stages({"id: load, type: numbers, with: {count: 20}",
                       "id: some, type: every, with: {nth: 2}", "id: out, type: collect"},
                      {.settings = "{output: " + path.string() + "}"});
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    std::ifstream file(journal);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  void write_lines(const std::vector<std::string>& lines) const {
    std::ofstream file(journal, std::ios::trunc);
    for (const std::string& line : lines) file << line << '\n';
  }
};

}  // namespace

TEST_CASE("a run is complete only once its run.json is there") {
  const Folder folder;
  REQUIRE(folder.run().report.status == RunStatus::kSucceeded);
  // As a crash before the end leaves it, and then a disk that takes no run.json.
  std::vector<std::string> lines = folder.lines();
  REQUIRE(lines.back().find("\"end\"") != std::string::npos);
  lines.pop_back();
  folder.write_lines(lines);
  std::filesystem::remove(folder.run_json);
  std::filesystem::create_directories(folder.run_json / "in the way");
  CHECK(folder.run().report.status == RunStatus::kEnvironment);
  std::filesystem::remove_all(folder.run_json);

  const Ran ran = folder.run();
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.numbers.empty());
  CHECK(std::filesystem::is_regular_file(folder.run_json));
  CHECK(folder.run().report.already_complete);
}

TEST_CASE("a run whose journal has lost a record is not complete, and makes it again") {
  const Folder folder;
  const Ran whole = folder.run();
  std::vector<std::string> lines = folder.lines();
  const auto record = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.starts_with("{\"record\":8,");
  });
  REQUIRE(record != lines.end());
  record->replace(record->find("written"), 1, "W");
  folder.write_lines(lines);

  const Ran ran = folder.run();
  CHECK_FALSE(ran.report.already_complete);
  CHECK(ran.heard->heard("is damaged; a record that it named is done again"));
  CHECK(ran.numbers == std::vector<std::int64_t>{8});
  CHECK(ran.report.records.written == whole.report.records.written);
  CHECK(ran.report.records.filtered == whole.report.records.filtered);
  CHECK(folder.run().report.already_complete);
}
