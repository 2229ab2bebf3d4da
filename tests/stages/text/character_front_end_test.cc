#include "stages/text/character_front_end.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::TempFolder;

namespace {

using Tokens = std::vector<std::int64_t>;

/// A small table of an alphabet with an apostrophe and a hyphen, as MMS voices have them.
constexpr const char* kTable =
    R"({"|": 0, "a": 1, "c": 2, "e": 3, "f": 4, "n": 5, "t": 6, "'": 7, "-": 8, " ": 9, "<unk>": 10})";

const std::string kCharacters = "|acefnt'- ";

std::shared_ptr<const FrontEnd> front_end(const std::string& table, bool lower = true,
                                          bool add_blank = false) {
  const TempFolder folder;
  FrontEndOptions options;
  options.table = folder.write("vocab.json", table);
  options.lower = lower;
  options.add_blank = add_blank;
  auto made = make_front_end("characters", options);
  if (!made.ok()) FAIL(made.error().message);
  return std::move(made).value();
}

/// The table's characters that are left of the text, or why nothing is.
std::string spoken(const FrontEnd& front_end, const std::string& text) {
  const auto tokens = front_end.tokens(text);
  if (tokens.is_filtered()) return "filtered: " + tokens.filtered().reason;
  if (tokens.is_error()) return "error: " + tokens.error().code;
  std::string read;
  for (const std::int64_t token : *tokens) read += kCharacters.at(static_cast<std::size_t>(token));
  return read;
}

}  // namespace

TEST_CASE("Characters are looked up in the voice's table, and nothing that is said is left out") {
  struct Case {
    std::string text;
    std::string wanted;
  };
  const Case cases[] = {
      {"cat", "cat"},
      {"  A\t\ncat. ", "a cat"},
      {"a, cat!", "a cat"},
      {"cat.net", "cat net"},
      {"can't", "can't"},
      {"can\xE2\x80\x99t", "can't"},
      {"cat\xE2\x80\x94net", "cat-net"},
      {"caf\xC3\xA9", "cafe"},
      {"cafe\xCC\x81", "cafe"},
      {"c\xC2\xAD"
       "at",
       "cat"},
      {"cat \xF0\x9F\x98\x80", "cat"},
      {"cat \xFF", "cat"},
      {"zebra", "filtered: unspeakable"},
      {"cat 7", "filtered: unspeakable"},
      {"cat %", "filtered: unspeakable"},
      {"\xE2\x82\xAC cat", "filtered: unspeakable"},
      {"cat \xE4\xBD\xA0", "filtered: unspeakable"},
      {"<unk>", "filtered: unspeakable"},
      {"-", "filtered: unspeakable"},
      {"", "filtered: unspeakable"},
      {std::string(70'000, 'a'), "error: text_too_long"},
  };
  const auto table = front_end(kTable);
  for (const Case& each : cases) {
    INFO(each.text.substr(0, 100));
    CHECK(spoken(*table, each.text) == each.wanted);
  }
}

TEST_CASE("A sign of a script's own spelling is said, an accent is not") {
  const auto table = front_end("{\"\xE0\xA4\x95\": 1}");  // The letter ka.
  CHECK(*table->tokens("\xE0\xA4\x95") == Tokens{1});
  CHECK(*table->tokens("\xE0\xA4\x95\xCC\x81") == Tokens{1});
  CHECK(table->tokens("\xE0\xA4\x95\xE0\xA4\xBF").is_filtered());  // ki
}

TEST_CASE("Capitals are small letters only where the voice says so, and never where it has them") {
  CHECK(front_end(kTable, /*lower=*/false)->tokens("Cat").is_filtered());
  CHECK(*front_end(R"({"a": 1, "A": 2})")->tokens("aA") == Tokens{1, 2});
}

TEST_CASE("Blanks stand around every character") {
  CHECK(*front_end(kTable, true, /*add_blank=*/true)->tokens("a cat") ==
        Tokens{0, 1, 0, 9, 0, 2, 0, 1, 0, 6, 0});
}

TEST_CASE("Words run together where the table has no space") {
  CHECK(*front_end(R"({"a": 1})")->tokens("a a") == Tokens{1, 1});
}

TEST_CASE("A table that is none is refused with what was found") {
  const std::string kWanted = "expected is a JSON map from characters to token ids: {\"a\": 5}";
  struct Case {
    std::string table;
    std::string message;
  };
  const Case cases[] = {
      {"{\"a\": 5", "there are no characters in it; " + kWanted},
      {"[1]", "there are no characters in it; " + kWanted},
      {"{\"a\": \"b\"}", "'a' has no token id; " + kWanted},
      {"{\"a\": -1}", "'a' has no token id; " + kWanted},
      {"{\"<unk>\": 1}", "there are no characters in it; " + kWanted},
  };
  for (const Case& each : cases) {
    INFO(each.table);
    const TempFolder folder;
    FrontEndOptions options;
    options.table = folder.write("t.json", each.table);
    const auto made = make_character_front_end(options);
    REQUIRE(made.is_error());
    CHECK(made.error().code == "bad_character_table");
    CHECK(made.error().message == options.table.string() + ": " + each.message);
  }
  FrontEndOptions options;
  options.table = "nowhere/vocab.json";
  CHECK(make_character_front_end(options).error().message == "nowhere/vocab.json: cannot be read");
}
