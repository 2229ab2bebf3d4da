#include "cli/text.h"

#include <doctest/doctest.h>

using namespace flowtts::cli;

TEST_CASE("a line is cut between characters, and its colours end with it") {
  Line line;
  line.add("done ", Style::kDim).add("██░░", Style::kGreen).add(" 50%");
  CHECK(line.width() == 13);
  CHECK(line.text(80, false) == "done ██░░ 50%");
  CHECK(line.text(7, false) == "done ██");
  CHECK(line.text(7, true) == "\x1b[2mdone \x1b[0m\x1b[32m██\x1b[0m");
  CHECK(line.text(0, true).empty());
}

TEST_CASE("a paragraph is broken between words and goes on under its beginning") {
  CHECK(wrap("one two three", 80, 2) == "one two three");
  CHECK(wrap("one two three", 9, 2) == "one two\n  three");
  CHECK(wrap("one  extraordinary word", 8, 0) == "one\nextraordinary\nword");
  CHECK(wrap("", 8, 0).empty());
}

TEST_CASE("a table has aligned columns, and leaves out those that are empty") {
  Table table({"stage", "note", "items"}, {"items"});
  table.add({"split", "", "12"});
  table.add({"synthesize", "", "3,456"});
  CHECK(table.text(false) ==
        "  stage       items\n"
        "  split          12\n"
        "  synthesize  3,456\n");
  CHECK(table.text(true, 0).starts_with("\x1b[2mstage"));
}
