#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/payloads.h>

#include "stages/io/id_table.h"
#include "stages/io/raw_json.h"
#include "stages/io/text.h"
#include "tests/stages/stage_helpers.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::set_param;
using flowtts::testing::TempFolder;

namespace {

std::unique_ptr<AnyStage> loader(const std::string& path) {
  auto stage = testing::stage_type("load_conversations").make();
  set_param<std::filesystem::path>(*stage, "load_conversations", "path", path);
  return stage;
}

std::vector<std::string> records(AnyStage& stage, const KeepRecord& keep) {
  std::vector<std::string> found;
  while (auto record = stage.next(keep)) {
    found.push_back(std::to_string(record->key.index) + " " + record->key.id + " at " +
                    std::to_string(record->offset) + ": " +
                    (record->payload.ok() ? std::string(record->payload.value().info().name)
                                          : record->payload.error().code));
  }
  return found;
}

}  // namespace

TEST_CASE("the stage load_conversations gives what is kept and what failed, and may start again") {
  const TempFolder folder;
  const auto stage = loader(folder.write(
      "c.json",
      R"([{"id": "a", "conversations": []}, {"id": "b"}, {"id": "c", "conversations": []}])"));
  CHECK(testing::check_errors(*stage).empty());
  for (int round = 0; round < 2; ++round) {
    REQUIRE(!stage->open({}));
    CHECK(records(*stage, [](const RecordKey& key) { return key.id != "a"; }) ==
          std::vector<std::string>{"1 b at 35: no_turns", "2 c at 48: Conversation"});
    CHECK(!stage->close());
  }
}

TEST_CASE("load_conversations tells which share of its file has been read") {
  const TempFolder folder;
  const std::string record = R"({"id": "a", "conversations": []},)";
  const auto stage = loader(folder.write("c.json", "[" + record + record + "  ]\n"));
  CHECK(stage->fraction() < 0);
  REQUIRE(!stage->open({}));
  CHECK(stage->fraction() == 0);
  const KeepRecord keep = [](const RecordKey&) { return true; };
  double before = 0;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(stage->next(keep));
    CHECK(stage->fraction() > before);
    CHECK(stage->fraction() < 1);
    before = stage->fraction();
  }
  CHECK_FALSE(stage->next(keep));
  CHECK(stage->fraction() == 1);
  CHECK(!stage->close());
}

TEST_CASE("load_conversations says before the run what is wrong with its file") {
  const TempFolder folder;
  const auto errors_of = [](const std::string& path) {
    return testing::check_errors(*loader(path));
  };
  for (const std::string& path :
       {(folder.path() / "none.json").string(), folder.path().string(),
        folder.write("empty.json", ""), folder.write("x.csv", "id,text")}) {
    CAPTURE(path);
    const std::vector<std::string> errors = errors_of(path);
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].starts_with("path: '" + path + "'"));
  }
  CHECK(errors_of("-").empty());
}

TEST_CASE("the limits of load_conversations are parameters") {
  const TempFolder folder;
  const auto stage = loader(folder.write("c.jsonl",
                                         "{\"conversations\": [{}, {}]}\n{\"conversations\": "
                                         "[[[[1]]]]}\n{\"conversations\": [], \"x\": \"" +
                                             std::string(2000, 'x') + "\"}\n"));
  set_param<std::uint32_t>(*stage, "load_conversations", "max_turns", 1);
  set_param<std::uint32_t>(*stage, "load_conversations", "max_depth", 4);
  set_param<ByteSize>(*stage, "load_conversations", "max_record", {1500});
  REQUIRE(!stage->open({}));
  CHECK(records(*stage, [](const RecordKey&) { return true; }) ==
        std::vector<std::string>{"0 record-000000000 at 0: too_many_turns",
                                 "1 record-000000001 at 28: too_deep",
                                 "2 record-000000002 at 57: too_large"});
}

TEST_CASE("raw JSON is made one line without changing what it says") {
  struct Compacted {
    std::string_view raw, expected;
  };
  for (const Compacted& each :
       {Compacted{" \"a\" : [ 1 , 2 , ] , ", R"("a":[1,2])"},
        {"{\n\"x y\": \" , ]\\\" \"}", R"({"x y":" , ]\" "})"},
        {R"("\ud83d\ude00 \ud83d \uDE00 \\ud83d")", R"("\ud83d\ude00 \ufffd \ufffd \\ud83d")"},
        {"\"\xC3\xA9\xC3\"", "\"\xC3\xA9\xEF\xBF\xBD\""},
        {"", ""}}) {
    CHECK(compact_json(each.raw) == each.expected);
  }
}

TEST_CASE("the members of an object are found whatever they hold") {
  std::vector<std::string> found;
  for_each_member(R"("a":1,"b":{"c":[1,2],"d":"},\""},"e\"":"x,y","f":[],"g":null)",
                  [&](std::string_view key, std::string_view value) {
                    found.push_back(std::string(key) + "=" + std::string(value));
                  });
  CHECK(found == std::vector<std::string>{"a=1", R"(b={"c":[1,2],"d":"},\""})", R"(e\"="x,y")",
                                          "f=[]", "g=null"});
  for_each_member("", [](std::string_view, std::string_view) { FAIL("there is no member"); });
}

TEST_CASE("text is made valid with one U+FFFD for each invalid part") {
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(valid_text("caf\xC3\xA9") == "caf\xC3\xA9");
  CHECK(valid_text("a\xED\xB0\x80z") == "a" + mark + "z");
  CHECK(valid_text("\xED\xA0\xBD\xED\xB8\x80") == mark + mark);
  CHECK(valid_text("\xFF\xED\xA0\xBDx\xC3") == mark + mark + "x" + mark);
  CHECK(valid_text("").empty());
}

TEST_CASE("ids are counted by what they say, letter case and composition aside") {
  IdTable ids;
  CHECK(ids.count(folded_id_hash("Stra\xC3\x9F"
                                 "e")) == 0);
  CHECK(ids.count(folded_id_hash("STRASSE")) == 1);
  CHECK(ids.count(folded_id_hash("strasse ")) == 0);
  CHECK(ids.count(0) == 0);
  CHECK(ids.count(0) == 1);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100'000; ++i) {
      const auto count = ids.count(folded_id_hash("id" + std::to_string(i)));
      if (count != static_cast<std::uint32_t>(round)) FAIL("id " << i << " was counted " << count);
    }
  }
}
