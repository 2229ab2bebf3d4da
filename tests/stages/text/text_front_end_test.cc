#include "stages/text/text_front_end.h"

#include <doctest/doctest.h>

using namespace flowtts;

namespace {

/// What is left of the text, or why nothing is.
std::string spoken(const std::string& text, const std::vector<std::string>& languages = {}) {
  const auto tokens = make_text_front_end(languages).value()->tokens(text);
  if (tokens.is_filtered()) return "filtered: " + tokens.filtered().reason;
  if (tokens.is_error()) return "error: " + tokens.error().code;
  return text_of_tokens(*tokens);
}

}  // namespace

TEST_CASE("A model that reads text gets it tidied up, and nothing that nobody can say") {
  struct Case {
    std::string text;
    std::string wanted;
  };
  const Case cases[] = {
      {"Hello, there!", "Hello, there!"},
      {"  two\t\nwords  ", "two words"},
      {"cafe\xCC\x81", "caf\xC3\xA9"},
      {"wide\xE3\x80\x80space", "wide space"},
      {"smile \xF0\x9F\x98\x80 now", "smile now"},
      {"heart \xE2\x9D\xA4\xEF\xB8\x8F", "heart \xE2\x9D\xA4"},
      {"bad \xFF\xFE"
       "bytes",
       "bad bytes"},
      {"soft\xC2\xADhyphen", "softhyphen"},
      {"\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xB1\xD9\x88\xD9\x85",
       "\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xB1\xD9\x88\xD9\x85"},
      {"12.5%", "12.5%"},
      {"...", "filtered: unspeakable"},
      {"", "filtered: unspeakable"},
      {"\xF0\x9F\x98\x80", "filtered: unspeakable"},
      {"\xE4\xBD\xA0\xE5\xA5\xBD", "\xE4\xBD\xA0\xE5\xA5\xBD"},
      {std::string(70'000, 'a'), "error: text_too_long"},
  };
  for (const Case& each : cases) {
    INFO(each.text.substr(0, 100));
    CHECK(spoken(each.text) == each.wanted);
  }
}

TEST_CASE("A sentence in a script that the voice's languages are not written in is left out") {
  const std::string chinese = "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C";
  const std::string japanese = "\xE3\x81\x93\xE3\x82\x93\xE3\x81\xAB\xE3\x81\xA1\xE3\x81\xAF";
  const std::string russian = "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82";
  struct Case {
    std::vector<std::string> languages;
    std::string text;
    bool passes;
  };
  const Case cases[] = {
      {{"en"}, "Hello there", true},
      {{"en"}, chinese, false},
      {{"zh"}, chinese, true},
      {{"zh"}, "Hello there", false},
      {{"zh", "en"}, "Hello " + chinese, true},
      {{"ja"}, japanese + chinese, true},
      {{"ko"}, japanese, false},
      {{"ru"}, russian, true},
      {{"en"}, russian, false},
      {{"en"}, "The letter \xCE\xBC stands for a millionth of a metre in this text.", true},
      {{"en"}, "call " + russian, false},
      {{"klingonese"}, russian, true},
      {{}, russian, true},
      {{"en"}, "42", true},
  };
  for (const Case& each : cases) {
    INFO(each.text);
    CHECK((spoken(each.text, each.languages).rfind("filtered", 0) != 0) == each.passes);
  }
}

TEST_CASE("A token of text is a character") {
  const auto tokens = make_text_front_end({}).value()->tokens("a\xC3\xA9\xF0\x9D\x84\x9E");
  REQUIRE(tokens.ok());
  CHECK(*tokens == std::vector<std::int64_t>{'a', 0xE9, 0x1D11E});
}
