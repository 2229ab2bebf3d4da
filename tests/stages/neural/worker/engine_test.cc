#include <flowtts/device.h>

#include <memory>

#include "stages/neural/voice.h"
#include "tests/stages/neural/worker/worker_voice.h"

using namespace flowtts;
using flowtts::testing::Lines;
using flowtts::testing::WorkerVoice;

namespace {

std::shared_ptr<VoiceEngine> open(const VoiceConfig& voice, Lines& log) {
  VoiceOptions options;
  options.log = log.taker();
  auto engine = open_voice(voice, {}, options);
  REQUIRE_MESSAGE(engine.ok(), (engine.is_error() ? engine.error().message : ""));
  return std::move(engine).value();
}

}  // namespace

TEST_CASE("A worker's voice is a voice like any other") {
  Lines log;
  const WorkerVoice voice("max_batch: 8, numerics: float64", "limits: {max_batch: 3}\n");
  const auto engine = open(voice.config(), log);
  CHECK(engine->max_batch() == 3);
  CHECK(engine->numerics() == "worker on cpu in float64");
  CHECK(engine->advice().empty());
  CHECK_FALSE(engine->batch_dependent());  // the fake one says so
  CHECK_FALSE(engine->plans());

  // With the front end "text" what is said is what the tokens are.
  const std::vector<std::int64_t> tokens{'h', 'i', 0xE9};
  const VoiceInput inputs[] = {{tokens, 0, 1.0, 7, "something else"}, {tokens, 1, 2.0, 8, ""}};
  const auto sounds = engine->speak(inputs, 2);
  REQUIRE(sounds.size() == 2);
  REQUIRE(sounds[0].ok());
  REQUIRE(sounds[1].ok());
  CHECK(sounds[0]->samples[0] == 3.0F / 1024);
  CHECK(sounds[0]->samples[1] == 4.0F / 1024);  // anna
  CHECK(sounds[1]->samples[1] == 3.0F / 1024);  // bob
  CHECK(sounds[1]->samples[2] == 2.0F);
}

TEST_CASE("A worker whose voice has another front end gets its tokens, and the text") {
  Lines log;
  const WorkerVoice voice;
  VoiceConfig config = voice.config();
  config.front_end = "flite_us";
  const auto engine = open(config, log);
  const std::vector<std::int64_t> tokens{1, 2};
  const VoiceInput input{tokens, 0, 1.0, 7, "hello \xFF"};
  const auto sounds = engine->speak({&input, 1}, 1);
  REQUIRE(sounds.front().ok());
  CHECK(sounds.front()->samples[0] == 7.0F / 1024);  // the broken byte is one character
}

TEST_CASE("The devices of workers are those of the machine") {
  const auto runtime = make_device_runtime("worker");
  REQUIRE(runtime.ok());
  CHECK((*runtime)->loads_side_by_side());
  CHECK((*runtime)->start({DeviceKind::kCpu, 1}, {}).ok());
  const auto none = (*runtime)->start({DeviceKind::kCuda, 99}, {});
  REQUIRE(none.is_error());
  CHECK(none.error().message.starts_with("there is no cuda:99"));
  CHECK(find_voice_format("worker")->runtime == "worker");
}
