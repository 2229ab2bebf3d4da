#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/payloads.h>
#include <flowtts/run.h>
#include <flowtts/stage.h>
#include <flowtts/testing.h>

#include "stages/audio/pcm16.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::StageRunner;
using flowtts::testing::TempFolder;

namespace {

using Counts = std::map<std::string, std::uint64_t>;

constexpr std::uint32_t kRate = 16'000;
const std::string kSpoken = "Hello brave new world";  // 21 characters, 4 words
constexpr std::size_t kPlausible = kRate * 3 / 2;

std::vector<float> tone(std::size_t count, float level, double pitch) {
  std::vector<float> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    samples[i] = level * static_cast<float>(std::sin(pitch * static_cast<double>(i)));
  }
  return samples;
}

/// What can be wrong with a take, by name; "fine" is not.
const std::map<std::string, void (*)(std::vector<float>&, Speech&)> kFaults{
    {"fine", [](std::vector<float>&, Speech&) {}},
    {"not_finite", [](std::vector<float>& samples,
                      Speech&) { samples[100] = std::numeric_limits<float>::quiet_NaN(); }},
    {"no_end", [](std::vector<float>&, Speech& speech) { speech.cut_short = true; }},
    {"silence", [](std::vector<float>& samples, Speech&) { samples.assign(kPlausible, 0.0F); }},
    {"empty", [](std::vector<float>& samples, Speech&) { samples.clear(); }},
    {"clipping", [](std::vector<float>& samples, Speech&) { samples = tone(kPlausible, 4, 0.3); }},
    {"seconds_per_character",
     [](std::vector<float>& samples, Speech&) { samples = tone(kRate / 10, 0.5F, 0.3); }},
    {"seconds_per_word",
     [](std::vector<float>& samples, Speech&) { samples = tone(kRate * 7, 0.5F, 0.3); }},
    {"pause", [](std::vector<float>& samples, Speech&) {
       samples = tone(kRate / 2, 0.5F, 0.3);
       samples.resize(kRate * 3);
       const std::vector<float> more = tone(kRate / 2, 0.5F, 0.3);
       samples.insert(samples.end(), more.begin(), more.end());
     }}};

const std::string kBounds =
    "min_seconds_per_character: 0.035, max_seconds_per_character: 1.2, max_seconds_per_word: 1.5, "
    "max_pause_s: 1.5";

/// A sentence spoken with this fault. Its sound follows from the record and the take.
Audio spoken(const std::string& fault, bool seeded, const Item& item, bool same = false) {
  std::vector<float> samples =
      tone(kPlausible, 0.5F,
           same ? 0.3 : 0.3 + 0.001 * static_cast<double>(item.record.index) + 0.1 * item.take);
  Speech speech;
  speech.sentence.conversation = std::make_shared<const Conversation>();
  speech.sentence.spoken = kSpoken;
  speech.seeded = seeded;
  speech.take = item.take;
  speech.tokens_hash = 1 + item.record.index;
  kFaults.at(fault)(samples, speech);
  Audio audio{std::move(samples), kRate};
  audio.speech = std::make_shared<const Speech>(std::move(speech));
  return audio;
}

/// Sentences without text: what is said of them is the next stage's.
struct Sentences final : Source<Sentence> {
  int count = 20;
  std::uint64_t next_index = 0;

  static void describe(Spec<Sentences>& spec) {
    spec.name("sentences")
        .summary("Makes sentences.")
        .param("count", &Sentences::count, "How many.");
  }
  std::optional<Error> open(const RunContext&) {
    next_index = 0;
    return std::nullopt;
  }
  std::optional<SourceRecord<Sentence>> next(const KeepRecord&) {
    if (next_index >= static_cast<std::uint64_t>(count)) return std::nullopt;
    RecordKey key{"s" + std::to_string(next_index), next_index, next_index, 0};
    ++next_index;
    Sentence sentence;
    sentence.conversation = std::make_shared<const Conversation>();
    return SourceRecord<Sentence>{std::move(key), 0, std::move(sentence)};
  }
};

/// A voice that does what it is told: every fifth sentence has `fault` in its first takes.
struct ScriptedVoice final : DeviceStage<Sentence, Audio> {
  std::string fault = "fine";
  int bad_takes = 1;
  bool seeded = true;
  bool same = false;

  static void describe(Spec<ScriptedVoice>& spec) {
    spec.name("scripted_voice").summary("Speaks as told.");
    spec.param("fault", &ScriptedVoice::fault, "What is wrong.")
        .param("bad_takes", &ScriptedVoice::bad_takes, "With how many takes.")
        .param("seeded", &ScriptedVoice::seeded, "Whether takes differ.")
        .param("same", &ScriptedVoice::same, "Whether every sentence has the same sound.");
  }
  std::size_t length(const Sentence&) const { return 1; }
  std::vector<Result<Audio>> process_batch(std::span<const BatchItem<Sentence>> batch,
                                           DeviceContext&) const {
    std::vector<Result<Audio>> made;
    for (const auto& [sentence, item] : batch) {
      const bool bad = item.record.index % 5 == 0 && item.take <= bad_takes;
      made.emplace_back(spoken(bad ? fault : "fine", seeded, item, same));
    }
    return made;
  }
};

/// What reached the end of a run: the take by record. One for the process.
struct Kept final : Sink<Audio> {
  static std::map<std::uint64_t, int>& takes() {
    static std::map<std::uint64_t, int> kept;
    return kept;
  }
  static void describe(Spec<Kept>& spec) { spec.name("keep_audio").summary("Keeps.").serial(); }
  std::optional<Error> process(const Audio& audio, const Item& item) {
    takes()[item.record.index] = audio.speech->take;
    return std::nullopt;
  }
};

const StageRegistry& registry() {
  static const StageRegistry* const made = [] {
    auto* own = new StageRegistry;
    own->add(make_stage_type<Sentences>());
    own->add(make_stage_type<ScriptedVoice>());
    own->add(make_stage_type<Kept>());
    for (const char* name : {"check_audio", "resample"}) {
      own->add(*StageRegistry::global().find(name));
    }
    return own;
  }();
  return *made;
}

/// Keeps what a run says.
struct Heard final : RunObserver {
  void message(MessageLevel level, const std::string& text) override {
    if (level != MessageLevel::kInfo) said += text + "\n";
  }
  std::string said;
};

struct Ran {
  RunReport report;
  std::string said;
};

/// sentences ─► scripted_voice ─► resample, where it is wanted ─► check_audio ─► keep_audio
Ran run_check(const std::string& voice, const std::string& check, bool in_16_bits = true,
              const std::string& on_error = "max_failed: 100%") {
  std::string yaml = "flowtts: 1\nrun: {on_error: {" + on_error +
                     "}}\nstages:\n  - {type: sentences}\n"
                     "  - {id: voice, type: scripted_voice, lanes: 2, with: {" +
                     voice + "}}\n";
  if (in_16_bits) yaml += "  - {type: resample, with: {rate: 16000, encoding: pcm_16}}\n";
  yaml += "  - {id: check, type: check_audio, concurrency: 2, with: {" + kBounds +
          (check.empty() ? "" : ", ") + check + "}}\n  - {type: keep_audio}\n";
  CAPTURE(yaml);
  Pipeline::Options options;
  options.registry = &registry();
  options.gpus = [] { return std::vector<DeviceInfo>(); };
  Diagnostics found;
  auto pipeline = Pipeline::parse(yaml, "test.yaml", options, found);
  for (const Diagnostic& one : found.sorted()) FAIL(one.text());
  REQUIRE(pipeline.has_value());
  Kept::takes().clear();
  Heard heard;
  RunOptions how;
  how.observer = &heard;
  Ran ran{run(*pipeline, how), {}};
  ran.said = heard.said;
  CHECK(ran.report.items.balanced());
  CHECK(ran.report.records.balanced());
  return ran;
}

/// By which error a take of that fault is rejected.
std::string code_of(const std::string& fault, bool in_16_bits) {
  if (fault == "empty") return in_16_bits ? "empty_audio" : "rejected_silence";
  if (fault == "not_finite" && in_16_bits) return "not_finite";
  return "rejected_" + fault;
}

}  // namespace

TEST_CASE("a bad take of a voice that draws random numbers is made again, and the good one kept") {
  for (const auto& [fault, spoil] : kFaults) {
    if (fault == "fine") continue;
    for (const bool in_16_bits : {false, true}) {
      CAPTURE(fault);
      CAPTURE(in_16_bits);
      const Ran ran = run_check("fault: " + fault + ", bad_takes: 2", "", in_16_bits);
      CHECK(ran.report.status == RunStatus::kSucceeded);
      CHECK(ran.report.records.written == 20);
      CHECK(ran.report.retaken_items == Counts{{code_of(fault, in_16_bits), 8}});
      CHECK(ran.report.failed_items.empty());
      for (std::uint64_t i = 0; i < 20; ++i) CHECK(Kept::takes().at(i) == (i % 5 == 0 ? 3 : 1));
    }
  }
}

TEST_CASE("what stays bad fails with the measure after the last take") {
  for (const auto& [fault, spoil] : kFaults) {
    if (fault == "fine") continue;
    for (const bool in_16_bits : {false, true}) {
      CAPTURE(fault);
      CAPTURE(in_16_bits);
      const Ran ran = run_check("fault: " + fault + ", bad_takes: 99", "", in_16_bits);
      CHECK(ran.report.records.failed == 4);
      CHECK(ran.report.failed_items == Counts{{code_of(fault, in_16_bits), 4}});
      CHECK(ran.report.retaken_items == Counts{{code_of(fault, in_16_bits), 8}});
      CHECK(Kept::takes().size() == 16);
    }
  }
}

TEST_CASE("a voice that draws nothing is not asked again") {
  for (const auto& [fault, spoil] : kFaults) {
    if (fault == "fine") continue;
    CAPTURE(fault);
    const Ran ran = run_check("fault: " + fault + ", seeded: false", "");
    CHECK(ran.report.failed_items == Counts{{code_of(fault, true), 4}});
    CHECK(ran.report.retaken_items.empty());
  }
}

TEST_CASE("with action: warn everything passes, and is counted and said") {
  const Ran ran = run_check("fault: silence, bad_takes: 99, same: false", "action: warn");
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.report.records.written == 20);
  CHECK(ran.report.retaken_items.empty());
  // Silence of the same length is the same sound for different texts as well.
  CHECK(ran.report.warned_items == Counts{{"rejected_silence", 4}, {"same_audio", 4}});
  CHECK(ran.said.find("rejected_silence: record s") != std::string::npos);
}

TEST_CASE("the same sound for different texts is found at the end, whatever came first") {
  std::set<std::string> said;
  for (int round = 0; round < 3; ++round) {
    const Ran ran = run_check("same: true", "");
    CHECK(ran.report.status == RunStatus::kEnvironment);
    CHECK(ran.report.records.written == 20);  // none is rejected by itself
    CHECK(ran.report.warned_items == Counts{{"same_audio", 20}});
    REQUIRE(ran.report.error.has_value());
    said.insert(ran.report.error->message);
  }
  CHECK(said == std::set<std::string>{
                    "stage 'check': 20 sentences have the same audio as another text, in records "
                    "#0, #19 of the input; the voice mixes sentences up, and these are not to be "
                    "trusted"});
  CHECK(run_check("same: true", "action: warn").report.status == RunStatus::kSucceeded);
}

TEST_CASE("a rejected take is not compared with others") {
  const Ran ran = run_check("fault: silence, bad_takes: 1", "");
  CHECK(ran.report.status == RunStatus::kSucceeded);
  CHECK(ran.report.warned_items.empty());
}

TEST_CASE("the voice's gate gives the bounds, and parameters stand above it") {
  const TempFolder folder;
  folder.write("m.bin", "weights");
  const auto voice = [&](const std::string& gate) {
    return folder.write("voice.yaml",
                        "flowtts_voice: 1\nname: v\nformat: torchscript\nmodel: m.bin\n"
                        "sample_rate: 16000\nspeakers: [a]\nfront_end: {type: flite_us}\n" +
                            gate);
  };
  struct Case {
    const char* gate;
    const char* more;
    const char* code;
  };
  const std::vector<Case> cases{
      {"", "", ""},
      {"gate: {seconds_per_character: [0.035, 0.05]}\n", "", "rejected_seconds_per_character"},
      {"gate: {seconds_per_word: [0.5, 1]}\n", "", "rejected_seconds_per_word"},
      {"gate: {seconds_per_word: [0.5, 1], seconds_per_character: [0.01, 1]}\n",
       ", min_seconds_per_word: 0.1", ""},
      {"gate: {seconds_per_character: [0.035, 0.05]}\n", ", max_seconds_per_character: 0.08", ""}};
  const RecordKey record{"r", 0, 0, 0};
  const std::vector<std::uint32_t> path;
  for (const Case& one : cases) {
    CAPTURE(one.gate);
    StageRunner stage("type: check_audio\nwith: {voice: \"" + voice(one.gate) + "\"" + one.more +
                      "}");
    REQUIRE(stage.problems() == "");
    const auto result = stage.process<Audio>(spoken("fine", true, Item{record, path}));
    CHECK((result.is_error() ? result.error().code : "") == std::string(one.code));
  }
}

TEST_CASE(
    "bounds that contradict the voice's and a voice that is not there are found by the check") {
  CHECK(StageRunner("type: check_audio\nwith: {min_seconds_per_word: 2, max_seconds_per_word: 1}")
            .problems()
            .find("'max_seconds_per_word'") != std::string::npos);
  CHECK(StageRunner("type: check_audio\nwith: {voice: no/such.yaml}").problems().find("no/such") !=
        std::string::npos);
}

TEST_CASE("audio that passes goes on as it is, without a copy") {
  StageRunner stage("type: check_audio");
  const RecordKey record{"r", 0, 0, 0};
  const std::vector<std::uint32_t> path;
  const AnyPayload in = AnyPayload::of(spoken("fine", true, Item{record, path}));
  const auto out = stage.process_any(in);
  REQUIRE(out.ok());
  REQUIRE(out->size() == 1);
  CHECK(out->at(0).as<Audio>() == in.as<Audio>());
}
