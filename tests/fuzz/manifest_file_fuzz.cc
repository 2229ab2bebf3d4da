// The manifest as a crash may have left it. Whatever the bytes: it is opened and goes on, or an
// error says what is wrong; once sorted it is sorted, and has every whole line that was there.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "stages/io/manifest_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;

namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

/// Opens, appends, sorts. Whether all went well.
bool go_on(const std::filesystem::path& path, const std::vector<std::string>& more) {
  const auto manifest = ManifestFile::open(path);
  FUZZ_CHECK(manifest.ok());
  for (const std::string& line : more) FUZZ_CHECK(!(*manifest)->append(line).has_value());
  const auto error = (*manifest)->sort();
  if (error) FUZZ_CHECK(!error->message.empty());
  return !error;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const flowtts::testing::TempFolder folder;
  const std::string_view text = flowtts::fuzz::text_of(data, size);
  const std::filesystem::path path = folder.write("manifest.jsonl", text);
  const std::vector<std::string> more{R"({"index":3,"x":1})", R"({"index":0,"x":2})"};
  std::vector<std::string> expected = lines_of(text);
  expected.insert(expected.end(), more.begin(), more.end());
  const bool sorted = go_on(path, more);
  const std::string content = flowtts::testing::read_whole_file(path);
  std::vector<std::string> found = lines_of(content);
  if (!sorted) {
    FUZZ_CHECK(found == expected);  // nothing is touched
    return 0;
  }
  FUZZ_CHECK(content.ends_with('\n'));
  std::vector<std::string> ordered = found;
  std::sort(ordered.begin(), ordered.end());
  std::sort(expected.begin(), expected.end());
  FUZZ_CHECK(ordered == expected);
  FUZZ_CHECK(go_on(path, {}));
  FUZZ_CHECK(flowtts::testing::read_whole_file(path) == content);
  return 0;
}
