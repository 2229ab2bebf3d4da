#include "stages/neural/voice_trial.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "stages/neural/trial_remedies.h"
#include "stages/neural/trial_speaking.h"

namespace flowtts {
namespace {

VoiceConfig tones() {
  const auto voice = read_voice("configs/voices/tones.yaml", /*hash=*/true);
  REQUIRE(voice.ok());
  return *voice;
}

VoiceConfig that_reads_text(std::vector<std::string> languages) {
  VoiceConfig voice = tones();
  voice.front_end = "text";
  voice.languages = languages;
  voice.front_end_options.languages = std::move(languages);
  return voice;
}

TEST_CASE("a voice is tried with sentences that it can be given") {
  SUBCASE("our own, in a language of its") {
    for (const std::string language : {"en", "zh", "de"}) {
      CAPTURE(language);
      const auto texts = trial_texts(that_reads_text({language}), {});
      REQUIRE(texts.ok());
      CHECK(texts->size() == 6);
    }
  }
  SUBCASE("those within its limits") {
    VoiceConfig voice = that_reads_text({"en"});
    voice.max_words = 3;
    const auto texts = trial_texts(voice, {});
    REQUIRE(texts.ok());
    CHECK(texts->size() == 2);
    voice.max_tokens = 4;
    const auto fewer = trial_texts(voice, {});
    REQUIRE(fewer.ok());
    CHECK(fewer->front().text == "Yes.");
    CHECK(fewer->front().tokens.size() == 4);
  }
  SUBCASE("and where there are none, each is told why") {
    VoiceConfig voice = that_reads_text({"en"});
    voice.max_words = 1;
    const std::vector<std::string> wanted{"你好", "Two words"};
    const auto texts = trial_texts(voice, wanted);
    REQUIRE(texts.is_error());
    CHECK(texts.error().code == "no_text");
    CHECK(texts.error().message.find("'你好' is unspeakable") != std::string::npos);
    CHECK(texts.error().message.find("has 2 words, the voice takes 1") != std::string::npos);
  }
}

TEST_CASE("tensors on two devices are named with both ways out") {
  const std::vector<std::string> messages{
      "the code of 'forward' names the device cuda:0, as tracing leaves it, so that it cannot run "
      "on cuda:1",
      "'embedding' lies on cuda:0 instead of cuda:1",
      "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and "
      "cuda:1!"};
  for (const std::string& message : messages) {
    CAPTURE(message);
    const std::string remedy = remedy_for({"model_failed", message}, tones());
    CHECK(remedy.find("scripting") != std::string::npos);
    CHECK(remedy.find("CUDA_VISIBLE_DEVICES") != std::string::npos);
  }
}

/// Keeps a note of its batches; a sentence's samples are its seed's, and in a batch of another
/// class than its own it would say so.
class NotingEngine final : public VoiceEngine {
 public:
  struct Batch {
    std::string half;
    std::vector<std::size_t> lengths;
    std::size_t rows = 0;
  };
  struct Plan final : VoicePlan {
    std::uint64_t seed = 0;
  };

  std::vector<Result<VoiceSound>> speak(std::span<const VoiceInput> batch,
                                        std::size_t rows) override {
    Batch noted{"whole", {}, rows};
    std::vector<Result<VoiceSound>> sounds;
    for (const VoiceInput& input : batch) {
      noted.lengths.push_back(input.tokens.size());
      sounds.emplace_back(sound(input.seed));
    }
    batches.push_back(std::move(noted));
    if (loses_one) sounds.pop_back();
    return sounds;
  }

  bool plans() const override { return in_two; }
  std::vector<Result<VoicePlanPtr>> plan(std::span<const VoiceInput> batch,
                                         std::size_t rows) override {
    Batch noted{"first", {}, rows};
    std::vector<Result<VoicePlanPtr>> plans;
    for (const VoiceInput& input : batch) {
      noted.lengths.push_back(input.tokens.size());
      auto plan = std::make_shared<Plan>();
      plan->frames = 10 * input.tokens.size();
      plan->seed = input.seed;
      plans.emplace_back(VoicePlanPtr(std::move(plan)));
    }
    batches.push_back(std::move(noted));
    return plans;
  }
  std::vector<Result<VoiceSound>> render(std::span<const VoicePlan* const> batch,
                                         std::size_t rows) override {
    Batch noted{"last", {}, rows};
    std::vector<Result<VoiceSound>> sounds;
    for (const VoicePlan* plan : batch) {
      noted.lengths.push_back(plan->frames);
      sounds.emplace_back(sound(static_cast<const Plan*>(plan)->seed));
    }
    batches.push_back(std::move(noted));
    return sounds;
  }

  std::size_t max_batch() const override { return most; }
  BatchShapes shapes() const override { return token_shapes; }
  BatchShapes render_shapes() const override { return frame_shapes; }
  std::string numerics() const override { return "noted"; }

  bool in_two = false;
  bool loses_one = false;
  std::size_t most = 0;
  BatchShapes token_shapes;
  BatchShapes frame_shapes;
  std::vector<Batch> batches;

 private:
  static VoiceSound sound(std::uint64_t seed) {
    VoiceSound sound;
    sound.samples = {static_cast<float>(seed)};
    return sound;
  }
};

struct Sentences {
  explicit Sentences(const std::vector<std::size_t>& lengths) {
    for (const std::size_t length : lengths) tokens.emplace_back(length, 1);
    for (std::size_t i = 0; i < tokens.size(); ++i) inputs.push_back({tokens[i], 0, 1.0, i});
  }
  std::vector<std::vector<std::int64_t>> tokens;
  std::vector<VoiceInput> inputs;
};

void check_order(const std::vector<Result<Audio>>& sounds) {
  for (std::size_t i = 0; i < sounds.size(); ++i) {
    REQUIRE(sounds[i].ok());
    CHECK(sounds[i]->samples == std::vector<float>{static_cast<float>(i)});
  }
}

TEST_CASE("a trial makes the batches that a run makes") {
  const Sentences sentences({3, 30, 5, 40, 4});
  NotingEngine engine;
  const auto speak = [&](std::size_t most) {
    return speak_trial(engine, nullptr, sentences.inputs, most, 16000);
  };
  SUBCASE("without fixed rows there are as many as sentences") {
    check_order(speak(64));
    REQUIRE(engine.batches.size() == 1);
    CHECK(engine.batches[0].rows == 5);
  }
  SUBCASE("no more at once than the model takes") {
    engine.most = 2;
    check_order(speak(64));
    REQUIRE(engine.batches.size() == 3);
    CHECK(engine.batches[0].rows == 2);
    CHECK(engine.batches[2].rows == 1);
  }
  SUBCASE("with fixed rows a class has its own batches, and one that is alone has them too") {
    engine.token_shapes.classes = {{10, 4}, {100, 2}};
    check_order(speak(64));
    REQUIRE(engine.batches.size() == 2);
    CHECK(engine.batches[0].lengths == std::vector<std::size_t>{30, 40});
    CHECK(engine.batches[0].rows == 2);
    CHECK(engine.batches[1].lengths == std::vector<std::size_t>{3, 5, 4});
    CHECK(engine.batches[1].rows == 4);
    engine.batches.clear();
    check_order(speak(1));
    REQUIRE(engine.batches.size() == 5);
    CHECK(engine.batches.back().rows == 4);
  }
  SUBCASE("a voice in two parts renders by frames") {
    engine.in_two = true;
    engine.token_shapes.classes = {{100, 8}};
    engine.frame_shapes.classes = {{100, 4}, {1000, 2}};
    check_order(speak(64));
    REQUIRE(engine.batches.size() == 3);
    CHECK(engine.batches[0].half == "first");
    CHECK(engine.batches[0].rows == 8);
    CHECK(engine.batches[1].lengths == std::vector<std::size_t>{300, 400});
    CHECK(engine.batches[2].rows == 4);
  }
  SUBCASE("a result that is missing is an error of all") {
    engine.loses_one = true;
    for (const auto& sound : speak(64)) {
      REQUIRE(sound.is_error());
      CHECK(sound.error().code == "wrong_result_count");
    }
  }
}

TEST_CASE("a trial is good where nothing is at fault and something was spoken") {
  const VoiceConfig voice = tones();
  const auto texts = trial_texts(voice, {});
  REQUIRE(texts.ok());
  const auto trial = try_voice(voice, *texts, {});
  REQUIRE(trial.ok());
  CHECK(trial->good());
  CHECK(trial->spoken == 6);
  CHECK(trial->speakers == 4);
  CHECK(trial->seconds_per_character.low >= voice.min_seconds_per_character);
  CHECK(trial->seconds_per_character.high <= voice.max_seconds_per_character);

  VoiceTrialOptions few;
  few.most_speakers = 2;
  const auto second = try_voice(voice, *texts, few);
  REQUIRE(second.ok());
  CHECK(second->speakers == 2);

  VoiceTrial nothing;
  CHECK(!nothing.good());
  nothing.spoken = 1;
  CHECK(nothing.good());
  nothing.findings.push_back({false, "no_gate", "", ""});
  CHECK(nothing.good());
  nothing.findings.push_back({true, "same_audio", "", ""});
  CHECK(!nothing.good());
}

/// Loses its device with the first sentence. What it then is asked to free would end the process.
class LosingEngine final : public VoiceEngine {
 public:
  explicit LosingEngine(bool& freed) : freed_(freed) {}
  ~LosingEngine() override { freed_ = true; }
  std::vector<Result<VoiceSound>> speak(std::span<const VoiceInput> batch, std::size_t) override {
    return {batch.size(), Error{std::string(kDeviceLostCode), "device-side assert triggered"}};
  }
  std::size_t max_batch() const override { return 0; }
  std::string numerics() const override { return "lost"; }

 private:
  bool& freed_;
};

TEST_CASE("a voice that loses its device is at fault, and what is on the device is not freed") {
  static bool freed = false;
  static const bool registered = [] {
    register_voice_format({"trial_test_losing", "host",
                           [](const VoiceConfig&, DeviceId,
                              const VoiceOptions&) -> Result<std::shared_ptr<VoiceEngine>> {
                             return std::shared_ptr<VoiceEngine>(
                                 std::make_shared<LosingEngine>(freed));
                           },
                           ModelFile::kNone});
    return true;
  }();
  REQUIRE(registered);
  VoiceConfig voice = tones();
  const auto texts = trial_texts(voice, {});
  REQUIRE(texts.ok());
  voice.format = "trial_test_losing";
  const auto trial = try_voice(voice, *texts, {});
  REQUIRE(trial.ok());
  CHECK_FALSE(trial->good());
  CHECK(trial->lost_device());
  CHECK_FALSE(freed);
  CHECK_FALSE(VoiceTrial{}.lost_device());
}

}  // namespace
}  // namespace flowtts
