#include <memory>
#include <numeric>
#include <set>

#include <doctest/doctest.h>
#include <flowtts/diagnostics.h>
#include <flowtts/payloads.h>
#include <flowtts/registry.h>

#include "core/config/params.h"
#include "core/config/yaml_tree.h"
#include "stages/neural/voice.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::TempFolder;

namespace {

/// An engine whose samples are what it was given: speaker, speed, the seed's lower bits, tokens.
struct EchoEngine final : VoiceEngine {
  std::vector<Result<VoiceSound>> speak(std::span<const VoiceInput> batch, std::size_t) override {
    std::vector<Result<VoiceSound>> rows;
    for (const VoiceInput& input : batch) {
      if (input.tokens.front() == '?') {
        rows.emplace_back(Error{"out_of_memory", "too much", true, false});
        continue;
      }
      if (input.tokens.front() == '-') {
        rows.emplace_back(Filtered{"unspeakable"});
        continue;
      }
      std::vector<float> row{static_cast<float>(input.speaker), static_cast<float>(input.speed),
                             static_cast<float>(input.seed & 0xFFFFU)};
      row.insert(row.end(), input.tokens.begin(), input.tokens.end());
      rows.emplace_back(VoiceSound{std::move(row), nullptr});
    }
    return rows;
  }
  std::size_t max_batch() const override { return 5; }
  std::string numerics() const override { return "echo"; }
};

/// Registers the engine's format, once for the program.
void register_echo() {
  static const bool once = [] {
    VoiceFormat format{"test_echo", "test_runtime", {}};
    format.factory = [](const VoiceConfig&, DeviceId device,
                        const VoiceOptions&) -> Result<std::shared_ptr<VoiceEngine>> {
      if (device.index == 9) {
        return Error{"no_such_device", "there is no device 9", false, true};
      }
      return std::shared_ptr<VoiceEngine>(std::make_shared<EchoEngine>());
    };
    register_voice_format(std::move(format));
    return true;
  }();
  CHECK(once);
}

struct Findings final : Checker {
  std::vector<std::string> errors, notes;
  std::uint64_t bytes = 0;
  void error(std::string_view param, std::string message) override {
    errors.push_back(std::string(param) + ": " + message);
  }
  void warning(std::string_view, std::string) override {}
  void note(std::string text) override { notes.push_back(std::move(text)); }
  void device_bytes(std::uint64_t once, std::uint64_t each_item) override {
    bytes = once + each_item;
  }
};

/// A folder with the voice "echo" in it, and stages that use it.
struct Fixture {
  TempFolder folder;
  std::string voice;

  Fixture() {
    register_echo();
    folder.write("m.bin", "weights");
    voice = folder.write("echo.yaml", R"(flowtts_voice: 1
name: echo
format: test_echo
model: m.bin
sample_rate: 8000
languages: [en]
front_end: {type: flite_us}
speakers: [anna, bob, carl]
limits: {max_tokens: 120}
gate: {seconds_per_character: [0.04, 1]}
)");
  }

  /// \param params YAML in braces, beside the voice: "{speed: 2}".
  std::unique_ptr<AnyStage> make(const std::string& type, const std::string& params = "{}") const {
    const StageType* found = StageRegistry::global().find(type);
    REQUIRE(found != nullptr);
    auto stage = found->make();
    Diagnostics diagnostics;
    std::string text =
        "{voice: \"" + voice + "\"" + (params == "{}" ? "" : ", ") + params.substr(1);
    const yaml::NodePtr map = yaml::parse(text, "test", diagnostics);
    read_params(map.get(), found->spec.params, stage->object(), {}, type, diagnostics);
    for (const Diagnostic& diagnostic : diagnostics.sorted()) FAIL(diagnostic.text());
    return stage;
  }

  static std::shared_ptr<const Conversation> conversation() {
    auto made = std::make_shared<Conversation>();
    made->turns.resize(4);
    return made;
  }

  static Sentence sentence(std::string spoken, std::uint32_t turn = 0, std::uint32_t index = 0) {
    return {conversation(), turn, index, spoken, spoken};
  }
};

const RecordKey kRecord{"r1", 11, 0, 0};
const std::vector<std::uint32_t> kPath;
const Item kItem{kRecord, kPath, 42};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "Both stages check their voice, and report each of its errors") {
  voice = folder.write("bad.yaml", "flowtts_voice: 1\nname: bad\nspeekers: [x]\n");
  for (const std::string type : {"phonemize", "synthesize"}) {
    Findings found;
    make(type)->check(found);
    CHECK(found.errors.size() == 6);  // five keys are missing, one is unknown
    for (const std::string& error : found.errors) CHECK(error.starts_with("voice: " + voice));
    const auto error = make(type)->open({});
    REQUIRE(error.has_value());
    CHECK(error->code == "bad_voice");
  }
}

TEST_CASE_FIXTURE(Fixture, "The check tells who will speak and how much memory it takes") {
  Findings found;
  make("synthesize", "{speaker: [carl, anna]}")->check(found);
  CHECK(found.errors.empty());
  REQUIRE(found.notes.size() == 1);
  CHECK(found.notes.front() == "voice echo (test_echo), 8000 Hz, speakers: carl, anna");
  CHECK(found.bytes > 1'000'000);
}

TEST_CASE_FIXTURE(Fixture, "The voice's format decides which device runtime the stage needs") {
  CHECK(make("synthesize")->runtime() == "test_runtime");
  voice = "configs/voices/tones.yaml";
  CHECK(make("synthesize")->runtime() == "host");
  voice = "configs/voices/default.yaml";
  CHECK(make("synthesize")->runtime() == "torch");
  voice = "configs/voices/gone.yaml";
  CHECK(make("synthesize")->runtime() == "torch");
}

TEST_CASE_FIXTURE(Fixture, "A voice without a model says nothing of device memory") {
  voice = "configs/voices/tones.yaml";
  Findings found;
  make("synthesize")->check(found);
  CHECK(found.errors.empty());
  CHECK(found.bytes == 0);
}

TEST_CASE_FIXTURE(Fixture, "An unknown speaker is found by the check") {
  Findings found;
  make("synthesize", "{speaker: ana}")->check(found);
  CHECK(found.errors == std::vector<std::string>{
                            "speaker: voice 'echo' has no speaker 'ana'; allowed is anna, bob, "
                            "carl or random; did you mean 'anna'?"});
}

TEST_CASE_FIXTURE(Fixture, "The voice is spoken with speaker, speed and seed, and says so") {
  auto prototype = make("synthesize", "{speed: 1.5}");
  CHECK(prototype->max_batch({}) == 1);
  REQUIRE_FALSE(prototype->open({}).has_value());
  const auto stage = prototype->clone();
  DeviceContext device({}, 0);
  REQUIRE_FALSE(stage->load(device).has_value());
  CHECK(stage->max_batch({}) == 5);

  std::vector<AnyPayload> payloads;
  for (const std::uint32_t turn : {0U, 1U, 2U}) {
    for (const std::uint32_t index : {0U, 1U, 2U}) {
      payloads.push_back(AnyPayload::of(Phonemes{sentence("hi", turn, index), {'h', 'i'}}));
    }
  }
  CHECK(stage->length(payloads.front()) == 2);
  std::vector<AnyBatchItem> items;
  for (const AnyPayload& payload : payloads) items.push_back({payload, kItem});
  const auto results = stage->process_batch(items, device);
  REQUIRE(results.size() == 9);
  const std::string hash = read_voice(voice, true).value().hash.substr(0, 8);
  const std::vector<std::string> names{"anna", "bob", "carl"};
  std::set<std::uint64_t> seeds;
  for (std::size_t i = 0; i < results.size(); ++i) {
    REQUIRE(results[i].ok());
    const auto* audio = results[i]->as<Audio>();
    REQUIRE(audio != nullptr);
    CHECK(audio->sample_rate == 8000);
    REQUIRE(audio->samples.size() == 5);
    const Speech& speech = *audio->speech;
    CHECK(speech.speaker == names[static_cast<std::size_t>(audio->samples[0])]);
    CHECK(speech.speaker == results[i / 3 * 3]->as<Audio>()->speech->speaker);
    CHECK(audio->samples[1] == 1.5F);
    CHECK(audio->samples[2] == static_cast<float>(speech.seed & 0xFFFFU));
    CHECK(speech.sentence.index == i % 3);
    CHECK(speech.voice == "echo@" + hash);
    seeds.insert(speech.seed);
  }
  CHECK(seeds.size() == 9);
}

TEST_CASE_FIXTURE(Fixture, "An error of one sentence is an error of that sentence") {
  const auto stage = make("synthesize");
  REQUIRE_FALSE(stage->open({}).has_value());
  DeviceContext device({}, 0);
  REQUIRE_FALSE(stage->load(device).has_value());
  const AnyPayload payloads[] = {AnyPayload::of(Phonemes{sentence("a"), {'a'}}),
                                 AnyPayload::of(Phonemes{sentence("?"), {'?'}})};
  const AnyBatchItem items[] = {{payloads[0], kItem}, {payloads[1], kItem}};
  const auto results = stage->process_batch(items, device);
  CHECK(results[0].ok());
  REQUIRE(results[1].is_error());
  CHECK(results[1].error().code == "out_of_memory");
  CHECK(results[1].error().retryable);
}

TEST_CASE_FIXTURE(Fixture, "A sentence for which the model has no sound is filtered") {
  const auto stage = make("synthesize");
  REQUIRE_FALSE(stage->open({}).has_value());
  DeviceContext device({}, 0);
  REQUIRE_FALSE(stage->load(device).has_value());
  const AnyPayload payload = AnyPayload::of(Phonemes{sentence("-"), {'-'}});
  const AnyBatchItem items[] = {{payload, kItem}};
  const auto results = stage->process_batch(items, device);
  REQUIRE(results[0].is_filtered());
  CHECK(results[0].filtered().reason == "unspeakable");
}

TEST_CASE_FIXTURE(Fixture, "A voice that cannot be loaded onto a device says why") {
  const auto stage = make("synthesize");
  REQUIRE_FALSE(stage->open({}).has_value());
  DeviceContext device({DeviceKind::kCuda, 9}, 0);
  const auto error = stage->load(device);
  REQUIRE(error.has_value());
  CHECK(error->message == "there is no device 9");
}

TEST_CASE_FIXTURE(Fixture, "Half the speed is twice the memory that is reckoned with") {
  const double normal = make("synthesize")->growth();
  CHECK(normal > 100);
  CHECK(make("synthesize", "{speed: 0.5}")->growth() == doctest::Approx(2 * normal));
}
