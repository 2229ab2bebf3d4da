// Voices of the format "aoti": tiny ones, exported by Python for the CPU, against the TorchScript
// of the same modules.
#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>
#include <torch/script.h>

#include "stages/neural/torch/aoti_device.h"
#include "stages/neural/torch/aoti_model.h"
#include "stages/neural/torch/aoti_signature.h"
#include "stages/neural/torch/torch_engine.h"
#include "tests/torch/models.h"
#include "tests/torch/python.h"

using flowtts::DeviceId;
using flowtts::DeviceKind;
using flowtts::VoiceConfig;
using flowtts::VoiceEngine;
using flowtts::VoiceInput;
using flowtts::testing::speak;

namespace {

constexpr const char* kNames =
    "inputs: {x: tokens, x_lengths: lengths, sid: speaker, scales: [0.5, length_scale], seed: "
    "seed}\noutputs: {audio: wav, lengths: frames, lengths_in: frames}\n";
constexpr const char* kParts = "parts: {plan: plan, render: render}\n";

/// The files that tests/voices/tiny_aoti.py writes, made once.
class Packages {
 public:
  static const Packages& all() {
    static const Packages made;
    return made;
  }

  VoiceConfig voice(const std::string& format, const std::string& model,
                    const std::string& lines) const {
    const auto read = flowtts::read_voice(file(format, model, lines), true);
    if (read.is_error()) FAIL(read.error().message);
    return *read;
  }

  std::string file(const std::string& format, const std::string& model,
                   const std::string& lines) const {
    return folder_.write("v.yaml", "flowtts_voice: 1\nname: tiny\nformat: " + format +
                                       "\nmodel: " + model +
                                       "\nsample_rate: 1000\nhop: 10\nlanguages: [en]\n"
                                       "front_end: {type: characters, table: vocab.json, lower: "
                                       "true}\nspeakers: [one, two]\n" +
                                       lines);
  }

  std::filesystem::path folder() const { return folder_.path(); }

 private:
  Packages() {
    folder_.write("vocab.json", R"({"a": 1, "b": 2, "c": 3, " ": 4})");
    const std::string line = flowtts::testing::python() + " tests/voices/tiny_aoti.py '" +
                             flowtts::testing::torch_site() + "' '" + folder_.path().string() +
                             "' >'" + (folder_.path() / "log").string() + "' 2>&1";
    const int status = flowtts::testing::shell(line);
    INFO(flowtts::testing::read_whole_file(folder_.path() / "log"));
    REQUIRE(status == 0);
  }
  flowtts::testing::TempFolder folder_;
};

std::shared_ptr<VoiceEngine> open(const VoiceConfig& voice, bool batched) {
  auto engine = voice.format == "aoti" ? flowtts::open_aoti(voice, {}, {{}, batched})
                                       : flowtts::open_torchscript(voice, {}, {{}, batched});
  if (!engine.ok()) FAIL(engine.error().message);
  return std::move(engine).value();
}

std::string refusal(const VoiceConfig& voice) {
  const auto engine = flowtts::open_aoti(voice, {});
  REQUIRE(engine.is_error());
  CHECK(engine.error().fatal);
  return engine.error().message;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("A package speaks the samples of its TorchScript form, in one part and in two") {
  if (flowtts::testing::cannot_compile()) return;
  const auto binding = flowtts::testing::bind_cpu();
  const std::vector<std::vector<std::int64_t>> tokens{{3, 1, 4}, {1, 5, 9, 2, 6, 5}, {35}};
  std::vector<VoiceInput> inputs;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    inputs.push_back({tokens[i], static_cast<std::int64_t>(i % 2), 1.25, i * 10});
  }
  struct Case {
    const char *model, *lines;
    std::size_t samples_each_token;
    bool draws;
  };
  for (const Case& each : {Case{"one", kNames, 10, true}, Case{"two", kParts, 20, false}}) {
    INFO(std::string(each.model));
    const std::string model = each.model;
    for (const bool batched : {false, true}) {
      const auto aoti = open(Packages::all().voice("aoti", model + ".pt2", each.lines), batched);
      const auto script =
          open(Packages::all().voice("torchscript", model + ".pt", each.lines), batched);
      CHECK(aoti->numerics().starts_with("aoti ("));
      CHECK(aoti->draws() == each.draws);
      CHECK(aoti->plans() == script->plans());
      CHECK(aoti->max_batch() == (batched ? 64 : 1));
      const auto found = speak(*aoti, inputs);
      const auto expected = speak(*script, inputs);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (found[i].is_error()) FAIL(found[i].error().message);
        REQUIRE(expected[i].ok());
        REQUIRE(found[i]->size() == each.samples_each_token * tokens[i].size());
        REQUIRE(expected[i]->size() == found[i]->size());
        float apart = 0, loudest = 0;
        for (std::size_t k = 0; k < found[i]->size(); ++k) {
          apart = std::max(apart, std::abs((*found[i])[k] - (*expected[i])[k]));
          loudest = std::max(loudest, std::abs((*expected[i])[k]));
        }
        CHECK(apart < 1e-5F);
        CHECK(loudest > 0.01F);
      }
    }
  }
}

TEST_CASE("The fields of a NamedTuple are found by their names") {
  if (flowtts::testing::cannot_compile()) return;
  const auto binding = flowtts::testing::bind_cpu();
  const std::vector<std::int64_t> tokens{3, 1, 4};
  const VoiceInput input{tokens, 1, 1.0, 5};
  const auto named = open(Packages::all().voice("torchscript", "named.pt", kNames), false);
  const auto dict = open(Packages::all().voice("torchscript", "one.pt", kNames), false);
  CHECK(speak(*named, {&input, 1})[0].value() == speak(*dict, {&input, 1})[0].value());
  const auto wrong = flowtts::open_torchscript(
      Packages::all().voice("torchscript", "named.pt",
                            "outputs: {audio: wave}\n" +
                                std::string(kNames).substr(0, std::string(kNames).find('\n'))),
      {});
  REQUIRE(wrong.is_error());
  CHECK(contains(wrong.error().message,
                 "v.yaml:10:18: error[unknown-output]: voice 'outputs': the model's method "
                 "'forward' has no output 'wave'; it has frames or wav; did you mean 'wav'?"));
}

TEST_CASE("What does not fit a package is said before it speaks") {
  if (flowtts::testing::cannot_compile()) return;
  const auto binding = flowtts::testing::bind_cpu();
  struct Case {
    const char *model, *lines, *message;
  };
  const Case cases[] = {
      {"two.pt2", "", "has no model 'model'; it has plan or render"},
      {"two.pt2", "parts: {plan: pln, render: render}\n",
       "has no model 'pln'; it has plan or render; did you mean 'plan'?"},
      {"two.pt2", "parts: {plan: plan, render: plan}\n",
       "the package's model 'plan' takes 4 inputs; expected are 6: h, durations,"},
      {"one.pt", "", "it is no package of AOTInductor (.pt2)"},
      {"log", "", "it is no package of AOTInductor (.pt2)"},
      {"one.pt2", "inputs: {x: tokens, x_lengths: lengths, sid: speaker, scale: [1, 1], seed: 1}\n",
       "v.yaml:10:55: error[unknown-argument]: voice 'inputs': the package's model 'model' has no "
       "argument 'scale'; it has x, x_lengths, sid, scales or seed; did you mean 'scales'?"},
      {"one.pt2",
       "inputs: {x: tokens, x_lengths: lengths, sid: speaker, scales: [1, 1], seed: seed}\n"
       "outputs: {audio: wave, lengths: 0}\n",
       "v.yaml:11:18: error[unknown-output]: voice 'outputs': the package's model 'model' has no "
       "output 'wave'; it has frames or wav; did you mean 'wav'?"},
      // A speed is no whole number, and three scales are one too many.
      {"one.pt2",
       "inputs: {x: tokens, x_lengths: lengths, sid: speed, scales: [1, 1], seed: seed}\n"
       "outputs: {audio: wav, lengths: frames}\n",
       "a first sentence was refused: input_handles["},
      {"one.pt2",
       "inputs: {x: tokens, x_lengths: lengths, sid: speaker, scales: [1, 1, 1], seed: seed}\n"
       "outputs: {audio: wav, lengths: frames}\n",
       "a first sentence was refused: input_handles["},
  };
  for (const Case& each : cases) {
    const std::string message = refusal(Packages::all().voice("aoti", each.model, each.lines));
    INFO(message);
    CHECK(contains(message, each.message));
  }
}

TEST_CASE("The command checks a voice that is a package") {
  if (flowtts::testing::cannot_compile()) return;
  const Packages& packages = Packages::all();
  const std::string log = (packages.folder() / "check.log").string();
  const std::string voice = packages.file("aoti", "one.pt2", kNames);
  const auto run = [&](const std::string& words) {
    return flowtts::testing::shell(std::string(std::getenv("FLOWTTS")) + " " + words + " >'" + log +
                                   "' 2>&1");
  };
  // Made-up noise is no speech, which is what may be found of it.
  run("voice check " + voice + " --device cpu --text 'A cab.'");
  const std::string text = flowtts::testing::read_whole_file(log);
  INFO(text);
  CHECK(contains(text, "; aoti ("));
  CHECK_FALSE(contains(text, "voice_not_loaded"));
  CHECK_FALSE(contains(text, "not_repeatable"));
  CHECK(run("check pipelines/align.yaml --set vars.voice=" + voice +
            " --set vars.output=" + (packages.folder() / "out").string()) == 0);
  CHECK(contains(flowtts::testing::read_whole_file(log), "voice tiny (aoti), 1000 Hz"));
}

TEST_CASE("A package of another device is refused with the ways out") {
  struct Case {
    const char *key, *capability;
    DeviceId device;
    int card;
    const char* message;  ///< How it begins; empty where it fits.
  };
  const DeviceId cpu{DeviceKind::kCpu, 0}, gpu{DeviceKind::kCuda, 1};
  const Case cases[] = {
      {"cpu", "", cpu, 0, ""},
      {"cuda", "90", gpu, 90, ""},
      {"cuda", "80", gpu, 86, ""},
      {"cuda", "90", gpu, 0, ""},
      {"", "", gpu, 90, ""},
      {"cuda", "90", cpu, 0, "it is compiled for cuda (sm90), and this is cpu: run it on such"},
      {"cpu", "", gpu, 90, "it is compiled for cpu, and this is cuda:1 (sm90): run it on such"},
      {"cuda", "90", gpu, 80, "it is compiled for cuda (sm90), and this is cuda:1 (sm80): "},
      {"cuda", "86", gpu, 80, "it is compiled for cuda (sm86), and this is cuda:1 (sm80): "},
      {"cuda", "90", gpu, 120, "it is compiled for cuda (sm90), and this is cuda:1 (sm120): "},
  };
  for (const Case& each : cases) {
    const auto reason = flowtts::wrong_device(
        {{"AOTI_DEVICE_KEY", each.key}, {"AOTI_COMPUTE_CAPABILITY", each.capability}}, each.device,
        each.card);
    CHECK(reason.has_value() == !std::string(each.message).empty());
    if (reason) CHECK(reason->starts_with(each.message));
  }
  CHECK(flowtts::compute_capability(cpu) == 0);
}

TEST_CASE("A package's names are those of keyword arguments and of a dict's keys") {
  using Names = std::vector<std::string>;
  const std::string leaf = R"({"type": null, "context": null, "children_spec": []})";
  const auto node = [](const std::string& type, const std::string& context,
                       const std::string& children) {
    return R"({"type": "builtins.)" + type + R"(", "context": ")" + context +
           R"(", "children_spec": [)" + children + "]}";
  };
  const std::string named = node("dict", R"([\"x\", \"sid\"])", leaf + ", " + leaf);
  const auto call = [&](const std::string& places, const std::string& names) {
    return "[1, " + node("tuple", "null", places + ", " + names) + "]";
  };
  const std::string none = node("dict", "[]", "");
  const std::string two = node("tuple", "null", leaf + ", " + leaf);
  CHECK(flowtts::names_in_spec(call(node("tuple", "null", ""), named), true) == Names{"x", "sid"});
  CHECK(flowtts::names_in_spec(call(two, none), true) == Names{"", ""});
  CHECK(flowtts::names_in_spec(call(node("tuple", "null", leaf), named), true) ==
        Names{"", "x", "sid"});
  CHECK(flowtts::names_in_spec(call(node("tuple", "null", two), none), true) == Names{"", ""});
  CHECK(flowtts::names_in_spec("[1, " + named + "]", false) == Names{"x", "sid"});
  CHECK(flowtts::names_in_spec("[1, " + two + "]", false) == Names{"", ""});
  CHECK(flowtts::names_in_spec("[1, " + leaf + "]", false) == Names{""});
  for (const char* odd : {"", "[]", "[1, 2]", "{\"a\": 1}", "[1, {\"type\": 3}]"}) {
    CHECK(flowtts::names_in_spec(odd, true).empty());
    CHECK(flowtts::names_in_spec(odd, false).empty());
  }
}
