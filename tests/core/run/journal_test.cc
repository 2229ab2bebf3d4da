#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "core/run/journal.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using namespace flowtts::testing;

namespace {

DoneRecord done(std::uint64_t index, Ending status = Ending::kWritten) {
  DoneRecord record{index, index * 31, status, {}};
  record.items.written = 2;
  record.items.media_seconds = 1.25;
  record.items.filtered = 1;
  record.items.filtered_by = {{"unspeakable", 1}};
  return record;
}

JournalSession session(std::uint64_t number) {
  JournalSession made;
  made.number = number;
  made.started = "2026-01-02T03:04:05Z";
  made.directory = "/somewhere";
  made.file = "align.yaml";
  made.config_json = R"({"name":"align","run":{"seed":7}})";
  return made;
}

/// A journal that says what `write` writes.
std::filesystem::path journal_of(const TempFolder& folder,
                                 const std::function<void(Journal&)>& write) {
  const std::filesystem::path path = folder.path() / "journal.jsonl";
  JournalContents contents;
  auto journal = Journal::open(path, contents);
  REQUIRE(journal.ok());
  write(**journal);
  return path;
}

void write_run(Journal& journal) {
  REQUIRE_FALSE(journal.append(session(1)));
  const std::array first{done(0), done(1), done(2, Ending::kFailed)};
  REQUIRE_FALSE(journal.append(first));
  const std::array second{done(7)};
  REQUIRE_FALSE(journal.append(second));
}

std::vector<std::uint64_t> indexes_of(const DoneRecords& records) {
  std::vector<std::uint64_t> indexes;
  for (const auto& [index, record] : records) indexes.push_back(index);
  return indexes;
}

}  // namespace

TEST_CASE("a journal tells what was written into it") {
  const TempFolder folder;
  const auto path = journal_of(folder, [](Journal& journal) {
    write_run(journal);
    REQUIRE_FALSE(journal.append(JournalEnd{8, {{"sample", 4}}}));
  });
  const auto read = read_journal(path);
  REQUIRE(read.ok());
  CHECK(read->damage.empty());
  REQUIRE(read->session.has_value());
  CHECK(read->session->number == 1);
  CHECK(read->session->directory == "/somewhere");
  CHECK(read->session->config_json == R"({"name":"align","run":{"seed":7}})");
  CHECK(indexes_of(read->done) == std::vector<std::uint64_t>{0, 1, 2, 7});
  const DoneRecord* record = read->done.find(1);
  REQUIRE(record);
  CHECK(record->content_hash == 31);
  CHECK(record->status == Ending::kWritten);
  CHECK(record->items.written == 2);
  CHECK(record->items.media_seconds == 1.25);
  CHECK(record->items.filtered_by == done(1).items.filtered_by);
  CHECK(read->done.find(2)->status == Ending::kFailed);
  REQUIRE(read->end.has_value());
  CHECK(read->end->read == 8);
  CHECK(read->end->filtered_records.at("sample") == 4);
}

TEST_CASE("a record that is to be done again is not done, until it is done again") {
  const TempFolder folder;
  const std::array<std::uint64_t, 2> again{1, 2};
  auto path = journal_of(folder, [&](Journal& journal) {
    write_run(journal);
    REQUIRE_FALSE(journal.append(JournalEnd{8, {}}));
    REQUIRE_FALSE(journal.append_redo(again));
  });
  auto read = read_journal(path);
  CHECK(indexes_of(read->done) == std::vector<std::uint64_t>{0, 7});
  CHECK_FALSE(read->end.has_value());
  path = journal_of(folder, [](Journal& journal) {
    const std::array record{done(2)};
    REQUIRE_FALSE(journal.append(record));
  });
  read = read_journal(path);
  CHECK(read->done.find(2)->status == Ending::kWritten);
}

TEST_CASE("a journal that was cut anywhere gives the records whose lines are whole") {
  const TempFolder folder;
  const auto path = journal_of(folder, write_run);
  const std::string whole = read_whole_file(path);
  std::size_t most = 0;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    CAPTURE(size);
    folder.write("journal.jsonl", whole.substr(0, size));
    JournalContents contents;
    const auto journal = Journal::open(path, contents);
    REQUIRE(journal.ok());
    const std::string left = read_whole_file(path);
    REQUIRE(whole.starts_with(left));
    REQUIRE((left.empty() || left.ends_with('\n')));
    REQUIRE(size - left.size() < 2000);  // no more than one line
    REQUIRE(contents.damage.size() == (left.size() == size ? 0U : 1U));
    REQUIRE(contents.done.size() >= most);
    most = contents.done.size();
  }
  CHECK(most == 4);
}

TEST_CASE("any flipped bit costs at the most the record whose line it is in, and is told") {
  const TempFolder folder;
  const auto path = journal_of(folder, write_run);
  const std::string whole = read_whole_file(path);
  for (std::size_t byte = 0; byte < whole.size(); ++byte) {
    CAPTURE(byte);
    std::string flipped = whole;
    flipped[byte] = static_cast<char>(flipped[byte] ^ (1 << (byte % 8)));
    folder.write("journal.jsonl", flipped);
    JournalContents contents;
    REQUIRE(Journal::open(path, contents).ok());
    REQUIRE(contents.session.has_value());
    // A line break that is gone makes one bad line of two.
    REQUIRE(contents.done.size() >= (whole[byte] == '\n' ? 2U : 3U));
    REQUIRE_FALSE(contents.damage.empty());
    JournalContents mended;
    REQUIRE(Journal::open(path, mended).ok());
    REQUIRE(mended.damage.empty());
    REQUIRE(mended.done.size() == contents.done.size());
  }
}

TEST_CASE("where there is no journal, that is said") {
  const TempFolder folder;
  const auto read = read_journal(folder.path() / "journal.jsonl");
  REQUIRE(read.is_error());
  CHECK(read.error().code == "no_journal");
}
