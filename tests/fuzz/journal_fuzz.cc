// The journal as a crash, or a damaged disk, may have left it. Whatever the bytes: it is read; to
// open it says the same, and leaves a file that is whole and says it again; what is appended is
// there. Lines that end with '~' are sealed first, see fuzz.h.
#include "core/run/journal.h"

#include <filesystem>

#include "tests/fuzz/fuzz.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;

namespace {

JournalContents read(const std::filesystem::path& path) {
  auto contents = read_journal(path);
  FUZZ_CHECK(contents.ok());
  return std::move(contents).value();
}

void check_same(const JournalContents& a, const JournalContents& b) {
  FUZZ_CHECK(a.done.size() == b.done.size());
  for (const auto& [index, record] : a.done) {
    const DoneRecord* other = b.done.find(index);
    FUZZ_CHECK(other && other->content_hash == record.content_hash);
    FUZZ_CHECK(other->status == record.status && other->items.written == record.items.written);
  }
  FUZZ_CHECK(a.session.has_value() == b.session.has_value());
  if (a.session) {
    FUZZ_CHECK(a.session->number == b.session->number);
    FUZZ_CHECK(a.session->config_json == b.session->config_json);
  }
  FUZZ_CHECK(a.end.has_value() == b.end.has_value());
  if (a.end) FUZZ_CHECK(a.end->read == b.end->read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const flowtts::testing::TempFolder folder;
  const std::filesystem::path path =
      folder.write("journal.jsonl", flowtts::fuzz::with_seals(flowtts::fuzz::text_of(data, size)));
  const JournalContents found = read(path);
  JournalContents opened;
  {
    auto journal = Journal::open(path, opened);
    FUZZ_CHECK(journal.ok());
    check_same(found, opened);
    FUZZ_CHECK(found.damage.size() == opened.damage.size());
    const JournalContents mended = read(path);
    check_same(opened, mended);
    FUZZ_CHECK(mended.damage.empty());

    DoneRecord record;
    record.index = 77;
    record.content_hash = 5;
    record.status = Ending::kFiltered;
    FUZZ_CHECK(!(*journal)->append(std::span(&record, 1)).has_value());
    const JournalEnd end{100, {{"sample", 3}}};
    FUZZ_CHECK(!(*journal)->append(end).has_value());
  }
  const JournalContents more = read(path);
  FUZZ_CHECK(more.damage.empty());
  FUZZ_CHECK(more.done.find(77) && more.done.find(77)->status == Ending::kFiltered);
  FUZZ_CHECK(more.end && more.end->read == 100 && more.end->filtered_records.at("sample") == 3);
  return 0;
}
