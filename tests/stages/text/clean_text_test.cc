#include <flowtts/payloads.h>

#include "stages/text/text_cleaner.h"
#include "tests/stages/text/stage_run.h"

namespace flowtts {
namespace {

Conversation conversation(std::vector<std::string> texts) {
  Conversation made;
  made.id = "1";
  for (std::string& text : texts) {
    Turn turn;
    turn.role = made.turns.size() % 2 == 0 ? "human" : "gpt";
    turn.text = text;
    turn.spoken = std::move(text);
    made.turns.push_back(std::move(turn));
  }
  return made;
}

TEST_SUITE("clean_text") {
  TEST_CASE("the spoken text of each turn is cleaned and the original stays") {
    StageRun stage("clean_text");
    stage.open();
    const auto out =
        stage.process(conversation({"<image>\nWhat is it?", "[0.1, 0.2, 0.3, 0.4]", "**Why?**"}));
    REQUIRE(out.ok());
    REQUIRE(out->size() == 1);
    const auto* cleaned = out->front().as<Conversation>();
    REQUIRE(cleaned != nullptr);
    REQUIRE(cleaned->turns.size() == 3);
    CHECK(cleaned->turns[0].spoken == "What is it?");
    CHECK(cleaned->turns[0].text == "<image>\nWhat is it?");
    CHECK(cleaned->turns[1].spoken.empty());
    CHECK(cleaned->turns[2].spoken == "Why?");
    CHECK(cleaned->id == "1");
  }

  TEST_CASE("a rule that is switched off leaves what it would change") {
    StageRun stage("clean_text");
    stage.set("markdown", false).set("emoji", false);
    stage.open();
    const auto out = stage.process(conversation({"**Hi** 😀 <b>you</b>"}));
    REQUIRE(out.ok());
    CHECK(out->front().as<Conversation>()->turns[0].spoken == "**Hi** 😀 you");
  }

  TEST_CASE("every rule is a parameter that is on and documented") {
    const StageType* const type = StageRegistry::global().find("clean_text");
    REQUIRE(type != nullptr);
    CHECK(type->spec.params.size() == sizeof(CleanOptions) / sizeof(bool));
    const auto stage = type->make();
    for (const ParamInfo& param : type->spec.params) {
      CAPTURE(param.name);
      CHECK(*std::get<bool*>(param.field(stage->object())));
      CHECK_FALSE(param.doc.empty());
    }
  }
}

}  // namespace
}  // namespace flowtts
