#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/line_file.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using namespace flowtts::testing;

namespace {

std::vector<std::string> lines_in(const std::string& file) {
  std::vector<std::string> lines;
  const auto error = for_each_line(file, [&](std::string_view line, bool ended) {
    lines.push_back(std::string(line) + (ended ? "" : " (not ended)"));
  });
  REQUIRE_FALSE(error.has_value());
  return lines;
}

}  // namespace

TEST_CASE("lines of any length are read, and a piece at the end is told apart") {
  const TempFolder folder;
  const std::string longer(3'000'000, 'x');  // than any block that is read at once
  const std::string file = folder.write("lines", "one\n\n" + longer + "\ntwo\npiece");
  CHECK(lines_in(file) == std::vector<std::string>{"one", "", longer, "two", "piece (not ended)"});
  CHECK(lines_in(folder.write("empty", "")).empty());
  CHECK(lines_in((folder.path() / "missing").string()).empty());
}

TEST_CASE("keeping lines takes out what is not wanted and what was not written out") {
  struct Case {
    std::string before;
    std::string after;
    std::uint64_t lines;
    std::uint64_t torn;
  };
  const TempFolder folder;
  for (const Case& c : {
           Case{"a\nb\na\n", "b\n", 2, 0},
           Case{"b\nb\n", "b\nb\n", 0, 0},
           Case{"b\npie", "b\n", 0, 3},
           Case{"a\n", "", 1, 0},
           Case{"", "", 0, 0},
           Case{"half", "", 0, 4},
       }) {
    CAPTURE(c.before);
    const std::string file = folder.write("lines", c.before);
    const auto dropped = keep_lines(file, [](std::string_view line) { return line != "a"; });
    REQUIRE(dropped.ok());
    CHECK(dropped->lines == c.lines);
    CHECK(dropped->torn_bytes == c.torn);
    CHECK(read_whole_file(file) == c.after);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}
