#include "stages/audio/file_name.h"

#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "stages/io/id_table.h"

using namespace flowtts;

namespace {

std::string safe(std::string id, std::uint32_t occurrence = 0) {
  return safe_id({std::move(id), 0, 0, occurrence});
}

const std::vector<std::string>& hostile_ids() {
  static const std::vector<std::string> kIds{"a",
                                             "A",
                                             "a_1",
                                             "a_1_0",
                                             "a/b",
                                             "a_b",
                                             "a\\b",
                                             "..",
                                             "../a",
                                             "/etc/x",
                                             ".hidden",
                                             "-rf",
                                             "con",
                                             "CON.txt",
                                             "nul",
                                             "lpt1.x",
                                             "com10",
                                             "a b",
                                             "a\tb",
                                             std::string("a\0b", 3),
                                             "a\nb",
                                             "",
                                             "~",
                                             "a~1",
                                             "a~b",
                                             "a*?<>|\":",
                                             "caf\xC3\xA9",
                                             "cafe\xCC\x81",
                                             "CAF\xC3\x89",
                                             "\xE4\xB8\xAD\xE6\x96\x87",
                                             "\xF0\x9F\x98\x80",
                                             "\xE2\x80\xAE"
                                             "abc",
                                             "\xFF\xFE",
                                             std::string(96, 'x'),
                                             std::string(97, 'x'),
                                             std::string(300, 'x'),
                                             std::string(300, 'x') + "y",
                                             "a.",
                                             "a..b",
                                             "0",
                                             "00",
                                             "1_2",
                                             "sft_1",
                                             "stra\xC3\x9F"
                                             "e",
                                             "strasse",
                                             "\xEF\xBC\xA1",
                                             "_~0123456789abcdef"};
  return kIds;
}

const std::string kForbidden("/\\:*?\"<>|\n\t \0", 13);

}  // namespace

TEST_CASE("a plain id is its own part of the name") {
  for (const std::string id :
       {"000000033471", "997bb945-628d-4724-b370-b84de974a19f", "a.b_c-d+e=f", "record-000000012",
        "caf\xC3\xA9", "\xE4\xB8\xAD\xE6\x96\x87", "A"}) {
    CHECK(safe(id) == id);
  }
}

TEST_CASE("a hostile id is made harmless and gets a hash of its own") {
  struct Expected {
    std::string id, start;
  };
  for (const Expected& each : {Expected{"a/b", "a_b~"},
                               {"../../etc/passwd", "_.._.._etc_passwd~"},
                               {"", "_~"},
                               {".x", "_.x~"},
                               {"-x", "_-x~"},
                               {"Con.txt", "_Con.txt~"},
                               {"a b\n", "a_b_~"},
                               {"a~1", "a_1~"},
                               {"cafe\xCC\x81", "caf\xC3\xA9~"},
                               {"\xE2\x80\xAE"
                                "x",
                                "_x~"},
                               {std::string(97, 'x'), std::string(80, 'x') + "~"}}) {
    CAPTURE(each.id);
    const std::string name = safe(each.id);
    CHECK(name.substr(0, each.start.size()) == each.start);
    CHECK(name.size() == each.start.size() + 16);
  }
  CHECK(safe("com10") == "com10");
}

TEST_CASE("an id that was met before gets its number") {
  CHECK(safe("a", 1) == "a~1");
  CHECK(safe("a/b", 12).ends_with("~12"));
}

TEST_CASE("a name of a long id is cut between characters") {
  const std::string two_bytes = "\xC3\xA9";
  std::string id = "x";
  while (id.size() < 200) id += two_bytes;
  const std::string name = safe(id);
  CHECK(name.substr(0, name.find('~')).size() == 79);
}

TEST_CASE(
    "no two sentences have one name, whatever the ids and the template, without letter case") {
  for (const std::string_view text :
       {"sft_{id}_{turn}_{sentence}", "{turn}_{id}_{sentence}", "{turn}-{sentence}.{id}",
        "{index}_{turn}_{sentence}", "{speaker}_{id}-x-{turn}_{sentence}1", "{id}_{part}",
        "{id}_0{turn}_{sentence}_{speaker}"}) {
    CAPTURE(text);
    const auto names = FileNameTemplate::parse(text);
    REQUIRE(names.ok());
    std::set<std::uint64_t> seen;
    std::size_t made = 0;
    IdTable ids;
    std::uint64_t index = 0;
    for (int round = 0; round < 2; ++round) {
      for (const std::string& id : hostile_ids()) {
        RecordKey record{id, 0, index++, 0};
        record.occurrence = ids.count(folded_id_hash(id));
        for (const std::uint32_t turn : {0U, 1U, 2U, 10U, 12U}) {
          for (const std::uint32_t sentence : {0U, 1U, 2U, 11U, 20U}) {
            for (const std::string_view speaker : {"a", "a_1"}) {
              if ((turn == 1) != (speaker == "a_1")) continue;  // A sentence has one speaker.
              const std::vector<std::uint32_t> path{turn, sentence};
              const auto name = names->name({record, path, true, turn, sentence, speaker});
              REQUIRE(name.ok());
              CHECK(name->find_first_of(kForbidden) == std::string::npos);
              CHECK(name->size() + 5 <= 255);
              CHECK(name->front() != '.');
              CHECK(name->front() != '-');
              seen.insert(folded_id_hash(*name));
              ++made;
            }
          }
        }
      }
    }
    CHECK(seen.size() == made);
  }
}

TEST_CASE("the longest name fits a file system") {
  const auto longest = FileNameTemplate::parse(
      "01234567890123456789012345_{id}_{index}.{speaker}-{turn}={sentence}+{part}");
  REQUIRE(longest.ok());
  const std::uint32_t most = 4294967295U;
  const RecordKey record{"/" + std::string(500, 'x'), 0, ~std::uint64_t{0}, most};
  const auto name = longest->name({record, {most, most}, true, most, most, std::string(100, 's')});
  REQUIRE(name.ok());
  CHECK(name->size() + 5 <= 255);
}

TEST_CASE("a template that cannot be used is refused with what is wrong and what is allowed") {
  struct Refused {
    std::string_view text, message;
  };
  for (const Refused& each :
       {Refused{
            "sft_{idd}_{turn}_{sentence}",
            "has the unknown placeholder '{idd}'; allowed are {id}, {index}, {turn}, {sentence}, "
            "{speaker}, {part}; did you mean 'id'?"},
        {"{id", "has a '{' without its '}'"},
        {"{turn}_{sentence}",
         "has neither '{id}' nor '{index}', so that records would overwrite one another"},
        {"", "has neither '{id}' nor '{index}', so that records would overwrite one another"},
        {"{id}{turn}_{sentence}", "needs one of '_', '-', '.', '+', '=' between its placeholders"},
        {"{id}x{turn}_{sentence}", "needs one of '_', '-', '.', '+', '=' between its placeholders"},
        {"a/{id}",
         "has '/' in it; allowed are letters, digits, '_', '-', '.', '+', '=' and {id}, "
         "{index}, {turn}, {sentence}, {speaker}, {part}"},
        {"{id}_{id}", "has '{id}' more than once"},
        {"0123456789012345678901234567890_{id}_{turn}",
         "has 33 characters beside its placeholders; at most 32 are allowed"},
        {".{id}", "starts with a dot or a dash"}}) {
    CAPTURE(each.text);
    const auto names = FileNameTemplate::parse(each.text);
    REQUIRE(names.is_error());
    CHECK(names.error().code == "bad_template");
    CHECK(names.error().message ==
          "the name '" + std::string(each.text) + "' " + std::string(each.message));
  }
}

TEST_CASE("a name that would be several items' is refused") {
  const RecordKey record{"a", 0, 0, 0};
  const auto by_record = FileNameTemplate::parse("{id}");
  REQUIRE(by_record.ok());
  const std::vector<std::uint32_t> whole;
  const std::vector<std::uint32_t> part{3};
  const auto plain = by_record->name({record, whole, false, 0, 0, ""});
  REQUIRE(plain.ok());
  CHECK(*plain == "a");
  CHECK(by_record->name({record, part, false, 0, 0, ""}).is_error());
  CHECK(by_record->name({record, part, true, 0, 0, ""}).is_error());
  const auto by_sentence = FileNameTemplate::parse("{id}_{turn}_{sentence}");
  REQUIRE(by_sentence.ok());
  CHECK(by_sentence->name({record, whole, false, 0, 0, ""}).is_error());
}
