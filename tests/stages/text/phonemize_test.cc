#include <filesystem>

#include <flowtts/payloads.h>

#include "stages/text/front_end.h"
#include "tests/stages/text/stage_run.h"

namespace flowtts {
namespace {

Sentence sentence(std::string spoken) {
  Sentence made;
  made.conversation = std::make_shared<const Conversation>();
  made.text = spoken + " ";
  made.spoken = std::move(spoken);
  return made;
}

StageRun default_voice() {
  StageRun stage("phonemize");
  stage.set("voice", std::filesystem::path("configs/voices/default.yaml"));
  return stage;
}

TEST_SUITE("phonemize") {
  TEST_CASE("a sentence gets the tokens of its voice's front end and keeps its text") {
    StageRun stage = default_voice();
    CHECK(stage.errors().empty());
    stage.open();
    const auto out = stage.process(sentence("What is this?"));
    REQUIRE(out.ok());
    const auto* phonemes = out->front().as<Phonemes>();
    REQUIRE(phonemes != nullptr);
    CHECK(phonemes->tokens == *make_front_end("flite_us").value()->tokens("What is this?"));
    CHECK(phonemes->sentence.text == "What is this? ");
  }

  TEST_CASE("a sentence that the voice cannot say is filtered") {
    StageRun stage = default_voice();
    stage.open();
    for (const char* text : {"图片里有什么？", "?!", ""}) {
      CAPTURE(text);
      const auto out = stage.process(sentence(text));
      REQUIRE(out.is_filtered());
      CHECK(out.filtered().reason == "unspeakable");
    }
  }

  TEST_CASE("a sentence beyond the voice's limit is an error that says what to do") {
    StageRun stage = default_voice();
    stage.open();
    std::string text;
    for (int i = 0; i < 200; ++i) text += "seventy ";
    const auto out = stage.process(sentence(text));
    REQUIRE(out.is_error());
    CHECK(out.error().code == "sentence_too_long");
    CHECK(out.error().message.find("max_words") != std::string::npos);
  }

  TEST_CASE("a voice that is not there is an error of the parameter") {
    StageRun stage("phonemize");
    stage.set("voice", std::filesystem::path("configs/voices/no_such_voice.yaml"));
    const auto errors = stage.errors();
    REQUIRE(errors.size() == 1);
    CHECK(errors.front().find("no_such_voice") != std::string::npos);
  }
}

}  // namespace
}  // namespace flowtts
