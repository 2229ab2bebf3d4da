// What a voice file says of a module's inputs and outputs, held against modules of a few lines.
#include <fstream>

#include <doctest/doctest.h>
#include <torch/script.h>

#include "core/config/yaml_tree.h"
#include "stages/neural/torch/torch_engine.h"
#include "tests/torch/models.h"

using flowtts::Result;
using flowtts::VoiceConfig;
using flowtts::VoiceInput;
using flowtts::testing::speak;
using flowtts::testing::TinyVoice;

namespace {

using Samples = std::vector<float>;

/// The voice with these lines of its file, the first of which is line 1.
VoiceConfig with_lines(const TinyVoice& voice, const std::string& lines) {
  flowtts::Diagnostics diagnostics;
  const auto node = flowtts::yaml::parse(lines, "v.yaml", diagnostics);
  REQUIRE(node != nullptr);
  VoiceConfig config = voice.config();
  config.io = flowtts::read_model_io(*node, diagnostics);
  REQUIRE_FALSE(diagnostics.has_errors());
  return config;
}

/// What the voice speaks of two sentences, of 3 and 5 tokens, by the speakers 0 and 1.
std::vector<Result<Samples>> spoken(const VoiceConfig& voice, bool batched, double speed = 2) {
  const auto binding = flowtts::testing::bind_cpu();
  const auto engine = flowtts::open_torchscript(voice, {}, {{}, batched});
  if (engine.is_error()) FAIL(engine.error().message);
  const std::vector<std::int64_t> tokens[] = {{1, 2, 3}, {4, 5, 6, 7, 8}};
  const VoiceInput inputs[] = {{tokens[0], 0, speed, 20}, {tokens[1], 1, speed, 40}};
  return speak(**engine, inputs);
}

Samples samples_of(const Result<Samples>& row) {
  if (row.is_error()) FAIL(row.error().message);
  return row.value();
}

}  // namespace

TEST_CASE("A module is given what its voice file names, in whatever order and type") {
  struct Case {
    const char* name;
    const char* source;
    const char* lines;
    Samples first, second;  ///< The beginning of what is spoken.
    bool batched;           ///< Whether sentences may share a batch.
  };
  const Case cases[] = {
      {"tensors in another order, one left at its default",
       R"(
def forward(self, seed, sid, x, x_lengths, gain: float = 3.0):
    audio = torch.stack([seed.to(torch.float), sid.to(torch.float), x[:, 0].to(torch.float)], 1)
    return gain * audio, torch.full_like(x_lengths, 3)
)",
       "inputs: {x: tokens, x_lengths: lengths, sid: speaker, seed: seed}",
       {30, 0, 3},
       {60, 3, 12},
       true},
      {"a list, and numbers",
       R"(
def forward(self, x, scales, n, r):
    audio = torch.cat([scales, n.to(torch.float).view(1), r.view(1)]).unsqueeze(0)
    return audio.repeat(x.size(0), 1), torch.full([x.size(0)], 5, dtype=torch.long)
)",
       "inputs: {x: tokens, scales: [0.5, length_scale, speed], n: 7, r: 7.5}",
       {0.5, 0.5, 2, 7, 7.5},
       {0.5, 0.5, 2, 7, 7.5},
       true},
      {"scalars and lists of TorchScript's own",
       R"(
def forward(self, x, sid: int, pace: float, loud: bool, some: List[float], more: List[int]):
    level = some[0] + some[1] + float(more[0]) + float(sid) + pace + (100.0 if loud else 0.0)
    return torch.full([x.size(0), 2], level), torch.full([x.size(0)], 2, dtype=torch.long)
)",
       "inputs: {x: tokens, sid: speaker, pace: length_scale, loud: 1, some: [0.25, 2], more: [5]}",
       {107.75, 107.75},
       {108.75, 108.75},
       false},
      {"by places, one optional",
       R"(
def forward(self, x, x_lengths, sid: Optional[Tensor] = None):
    assert sid is not None
    return sid.to(torch.float).unsqueeze(1).repeat(1, 4), torch.full_like(x_lengths, 2)
)",
       "inputs: {0: tokens, 1: lengths, 2: speaker}",
       {0, 0},
       {1, 1},
       true},
  };
  for (const Case& each : cases) {
    INFO(std::string(each.name));
    const TinyVoice voice(each.source);
    const VoiceConfig config = with_lines(voice, each.lines);
    for (const bool batched : {false, true}) {
      const auto rows = spoken(config, batched);
      CHECK(samples_of(rows[0]) == each.first);
      CHECK(samples_of(rows[1]) == each.second);
    }
    const auto binding = flowtts::testing::bind_cpu();
    const auto engine = flowtts::open_torchscript(config, {}, {{}, true});
    CHECK((*engine)->max_batch() == (each.batched ? 64 : 1));
    CHECK((*engine)->draws() == (std::string(each.lines).find("seed: seed") != std::string::npos));
  }
}

TEST_CASE("The sound and its lengths are found by name or place, in samples or frames") {
  struct Case {
    const char* name;
    const char* result;
    const char* lines;
    std::size_t first, second;  ///< Samples of the sentences.
  };
  const Case cases[] = {
      {"the other order", "n * 10, audio", "outputs: {audio: 1, lengths: 0}", 30, 50},
      {"frames of the hop", "n, audio", "outputs: {audio: 1, lengths: 0, lengths_in: frames}", 30,
       50},
      {"more than two", "audio, audio, n * 10, n", "outputs: {audio: 0, lengths: 2}", 30, 50},
      {"a dict", "{'wav': audio, 'n': n * 10}", "outputs: {audio: wav, lengths: n}", 30, 50},
      {"no lengths", "audio", "outputs: {audio: 0}", 30, 50},
      {"one channel", "audio.unsqueeze(1), n * 10", "outputs: {audio: 0, lengths: 1}", 30, 50},
      {"one channel without names", "audio.unsqueeze(1), n * 10",
       "inputs: {tokens: tokens, n: lengths}", 30, 50},
  };
  for (const Case& each : cases) {
    INFO(std::string(each.name));
    const bool all = std::string(each.lines).starts_with("outputs");
    const TinyVoice voice(std::string("def forward(self, tokens, n") +
                          (all ? ", speaker, speed" : "") +
                          "):\n    audio = tokens.to(torch.float).repeat_interleave(10, 1)\n"
                          "    return " +
                          each.result + "\n");
    for (const bool batched : {false, true}) {
      const auto rows = spoken(with_lines(voice, each.lines), batched);
      CHECK(samples_of(rows[0]).size() == each.first);
      CHECK(samples_of(rows[1]).size() == each.second);
      CHECK(samples_of(rows[1])[40] == 8);
    }
  }
}

TEST_CASE("A part that plans is given what its voice file names") {
  const TinyVoice voice(R"(
def plan(self, sid, x, x_lengths):
    h = (x + 100 * sid.unsqueeze(1)).to(torch.float).unsqueeze(1)
    return h, x.to(torch.float), x_lengths
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    return h[:, 0].repeat_interleave(10, 1)
)");
  const VoiceConfig config =
      with_lines(voice, "inputs: {x: tokens, x_lengths: lengths, sid: speaker}");
  const auto rows = spoken(config, false);
  CHECK(samples_of(rows[0]).size() == 30);
  CHECK(samples_of(rows[1])[40] == 108);
}

TEST_CASE("What does not fit a module is said with the voice file's place and the nearest name") {
  struct Case {
    const char* lines;
    const char* message;
  };
  const char* const source = R"(
def forward(self, x, x_lengths, sid: int, scales: List[float], names: List[str] = ["a"]):
    return x.to(torch.float), x_lengths
)";
  const Case cases[] = {
      {"inputs:\n  x: tokens\n  x_lenghts: lengths\n  sid: speaker\n  scales: [1]\n",
       "v.yaml:3:3: error[unknown-argument]: voice 'inputs': the model's method 'forward' has no "
       "argument 'x_lenghts'; it has x, x_lengths, sid, scales or names; did you mean "
       "'x_lengths'?"},
      {"inputs: {x: tokens, sid: 0, scales: [1]}",
       "v.yaml:1:1: error[missing-argument]: voice 'inputs': the model's method 'forward' has the "
       "argument 'x_lengths', which is given nothing and has no default: name it, with tokens, "
       "lengths, speaker, speed, length_scale, seed or a number"},
      {"inputs: {x: tokens, 1: lengths, sid: tokens, scales: 1}",
       "v.yaml:1:38: error[wrong-type]: voice 'inputs': the model's method 'forward': 'sid' is of "
       "the type int, which 'tokens' is not\n"
       "v.yaml:1:54: error[wrong-type]: voice 'inputs': the model's method 'forward': 'scales' is "
       "of the type float[]; found one value, expected a list"},
      {"inputs: {x: tokens, 1: lengths, sid: 0.5, scales: [1], names: [1]}",
       "v.yaml:1:38: error[wrong-type]: voice 'inputs': the model's method 'forward': 'sid' is of "
       "the type int, which '0.5' is not\n"
       "v.yaml:1:64: error[wrong-type]: voice 'inputs': the model's method 'forward': 'names' is "
       "of "
       "the type str[], which a voice file cannot give"},
      {"inputs: {x: tokens, 0: tokens, x_lengths: lengths, sid: 0, scales: [1]}",
       "v.yaml:1:21: error[duplicate-key]: voice 'inputs': the model's method 'forward': '0' and "
       "'x' are the same argument"},
      {"inputs: {x: [1, seed], x_lengths: tokens, sid: 0, scales: [1]}",
       "v.yaml:1:17: error[wrong-type]: voice 'inputs': the model's method 'forward': 'x': a seed "
       "has more digits than a list of float32 holds; give it to an argument of its own"},
      {"inputs: {x: tokens, x_lengths: lengths, sid: 0, scales: [1]}\noutputs: {audio: 2, lengths: "
       "wav}",
       "v.yaml:2:18: error[unknown-output]: voice 'outputs': the model's method 'forward' has no "
       "output '2'; it has 0 or 1\n"
       "v.yaml:2:30: error[unknown-output]: voice 'outputs': the model's method 'forward' has no "
       "output 'wav'; it has 0 or 1"},
  };
  for (const Case& each : cases) {
    INFO(std::string(each.lines));
    const auto binding = flowtts::testing::bind_cpu();
    const TinyVoice voice(source);
    const auto engine = flowtts::open_torchscript(with_lines(voice, each.lines), {});
    REQUIRE(engine.is_error());
    CHECK(engine.error().code == "bad_voice");
    CHECK(engine.error().fatal);
    CHECK(engine.error().message == std::string(each.message));
  }
}

TEST_CASE("What a module does not return, and what a batch cannot be given, fails its sentences") {
  const TinyVoice dict(R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return {'audio': tokens.to(torch.float), 'n': token_lengths}
)");
  const auto rows = spoken(with_lines(dict, "outputs: {audio: wav, lengths: n}"), false);
  REQUIRE(rows[0].is_error());
  CHECK(rows[0].error().message ==
        "the model's method 'forward' returned a dict with audio, n; expected is float32 [B, N] "
        "audio as 'wav' and int64 [B] lengths as 'n'");

  const TinyVoice scaled(R"(
def forward(self, x, n, scales):
    return x.to(torch.float) * scales[0], n
)");
  const VoiceConfig config =
      with_lines(scaled, "inputs: {x: tokens, n: lengths, scales: [length_scale]}");
  const auto binding = flowtts::testing::bind_cpu();
  const auto engine = flowtts::open_torchscript(config, {}, {{}, true});
  REQUIRE(engine.ok());
  const std::vector<std::int64_t> tokens{4};
  const VoiceInput inputs[] = {{tokens, 0, 1.0, 0}, {tokens, 0, 2.0, 0}};
  // Together they cannot be spoken, so they are in halves.
  const auto spoken_alone = speak(**engine, inputs);
  CHECK(samples_of(spoken_alone[0]) == Samples{4});
  CHECK(samples_of(spoken_alone[1]) == Samples{2});
}
