// The manifest as a crash may have left it. Whatever the bytes: it is opened, and keeps exactly the
// whole lines that have an index and belong to records that are done; records that are done and
// have no line are asked for again; and once sorted it has one line for each record, in their
// order. Lines that end with '~' are sealed first, see fuzz.h. Records of an even index are done.
#include <filesystem>
#include <map>
#include <set>

#include "stages/io/manifest_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::read_whole_file;

namespace {

using Lines = std::map<std::uint64_t, std::string>;  ///< Of each index the last.

struct Earlier final : EarlierSessions {
  std::set<std::uint64_t> again;

  bool is_done(std::uint64_t index) const override { return index % 2 == 0; }
  std::vector<std::uint64_t> done() const override { return {0, 2, 4, 6}; }
  void redo(std::uint64_t index, const std::string& why) override {
    FUZZ_CHECK(!why.empty());
    again.insert(index);
  }
  void note(const std::string&) override {}
};

std::vector<std::string> whole_lines(std::string_view text, const Earlier* earlier) {
  std::vector<std::string> kept;
  for (const std::string& line : flowtts::fuzz::lines_of(text)) {
    const auto index = manifest_index(line);
    if (!index || !is_sealed_line(line) || (earlier && !earlier->is_done(*index))) continue;
    kept.push_back(line);
  }
  return kept;
}

void go_on(const std::filesystem::path& path, std::string_view text, Earlier* earlier) {
  std::vector<std::string> expected = whole_lines(text, earlier);
  {
    const auto manifest = ManifestFile::open(path, earlier);
    FUZZ_CHECK(manifest.ok());
    FUZZ_CHECK(flowtts::fuzz::lines_of(read_whole_file(path)) == expected);
    for (const char* more : {R"({"index":3,"x":1})", R"({"index":0,"x":2})"}) {
      expected.push_back(seal_line(more));
      FUZZ_CHECK(!(*manifest)->append(expected.back()).has_value());
    }
    FUZZ_CHECK(!(*manifest)->sync().has_value());
    FUZZ_CHECK(!(*manifest)->sort().has_value());
  }
  Lines last;
  for (const std::string& line : expected) last[*manifest_index(line)] = line;
  std::string sorted;
  for (const auto& [index, line] : last) sorted += line + '\n';
  FUZZ_CHECK(read_whole_file(path) == sorted);
  const auto again = ManifestFile::open(path, nullptr);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(read_whole_file(path) == sorted);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const flowtts::testing::TempFolder folder;
  const std::string text = flowtts::fuzz::with_seals(flowtts::fuzz::text_of(data, size));
  go_on(folder.write("manifest.jsonl", text), text, nullptr);

  Earlier earlier;
  go_on(folder.write("manifest.jsonl", text), text, &earlier);
  std::set<std::uint64_t> missing{0, 2, 4, 6};
  for (const std::string& line : whole_lines(text, &earlier)) missing.erase(*manifest_index(line));
  FUZZ_CHECK(earlier.again == missing);
  return 0;
}
