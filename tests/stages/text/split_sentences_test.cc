#include <flowtts/payloads.h>

#include "tests/stages/text/stage_run.h"

namespace flowtts {
namespace {

Conversation conversation(const std::vector<std::pair<std::string, std::string>>& turns) {
  Conversation made;
  for (const auto& [role, spoken] : turns) {
    Turn turn;
    turn.role = role;
    turn.spoken = spoken;
    made.turns.push_back(std::move(turn));
  }
  return made;
}

/// Each sentence as "turn.index text|spoken".
std::vector<std::string> sentences_of(const Result<std::vector<AnyPayload>>& out) {
  REQUIRE(out.ok());
  std::vector<std::string> found;
  for (const AnyPayload& payload : *out) {
    const auto* sentence = payload.as<Sentence>();
    REQUIRE(sentence != nullptr);
    REQUIRE(sentence->conversation != nullptr);
    REQUIRE(sentence->turn < sentence->conversation->turns.size());
    found.push_back(std::to_string(sentence->turn) + "." + std::to_string(sentence->index) + " " +
                    sentence->text + "|" + sentence->spoken);
  }
  return found;
}

using Strings = std::vector<std::string>;

TEST_SUITE("split_sentences") {
  TEST_CASE("the turns of the wanted roles become sentences that know their place") {
    StageRun stage("split_sentences");
    stage.set("roles", Strings{"human", "gpt"});
    stage.open();
    const auto out = stage.process(conversation({{"system", "Be kind."},
                                                 {"human", " What is it?  Why? "},
                                                 {"gpt", "A cat."},
                                                 {"human", "\xE3\x80\x80OK.\xC2\xA0"}}));
    CHECK(sentences_of(out) == Strings{"1.0  What is it?  |What is it?", "1.1 Why? |Why?",
                                       "2.0 A cat.|A cat.", "3.0 \xE3\x80\x80OK.\xC2\xA0|OK."});
    CHECK(out->front().as<Sentence>()->conversation == out->back().as<Sentence>()->conversation);
  }

  TEST_CASE("human turns are spoken where no roles are given") {
    StageRun stage("split_sentences");
    stage.open();
    CHECK(sentences_of(stage.process(conversation({{"human", "Hi."}, {"gpt", "Ho."}}))) ==
          Strings{"0.0 Hi.|Hi."});
  }

  TEST_CASE("no piece has more words than allowed") {
    StageRun stage("split_sentences");
    stage.set("max_words", 3);
    stage.open();
    CHECK(sentences_of(stage.process(conversation({{"human", "one two, three four five"}}))) ==
          Strings{"0.0 one two, |one two,", "0.1 three four five|three four five"});
  }

  TEST_CASE("a turn of symbols is one piece and an empty one is none") {
    StageRun stage("split_sentences");
    stage.open();
    CHECK(sentences_of(stage.process(conversation({{"human", ""}, {"human", "?! ... :)"}}))) ==
          Strings{"1.0 ?! ... :)|?! ... :)"});
  }

  TEST_CASE("a conversation in which nobody says anything is filtered") {
    StageRun stage("split_sentences");
    stage.open();
    for (const auto& nothing :
         {conversation({}), conversation({{"human", " \n"}}), conversation({{"gpt", "Yes."}})}) {
      const auto out = stage.process(nothing);
      REQUIRE(out.is_filtered());
      CHECK(out.filtered().reason == "empty");
    }
  }

  TEST_CASE("a wrong parameter is named with what is allowed") {
    struct Case {
      Strings roles;
      std::string language;
      std::string error;
    };
    const std::vector<Case> cases = {
        {{"human"}, "en", ""},
        {{"my_role"}, "zh-Hans", ""},
        {{}, "en", "roles: is empty: no turn would be spoken"},
        {{"gpt", "User"}, "en", "roles: 'User' is not a role's name; did you mean 'human'?"},
        {{"assistant"}, "en", "roles: 'assistant' is not a role's name; did you mean 'gpt'?"},
        {{"human"},
         "!",
         "language: '!' is no language tag; allowed are tags such as en, de or "
         "zh-Hans"},
    };
    for (const Case& item : cases) {
      StageRun stage("split_sentences");
      stage.set("roles", item.roles).set("language", item.language);
      const Strings errors = stage.errors();
      CAPTURE(item.error);
      REQUIRE(errors.size() == (item.error.empty() ? 0 : 1));
      if (!errors.empty()) CHECK(errors.front() == item.error);
    }
  }
}

}  // namespace
}  // namespace flowtts
