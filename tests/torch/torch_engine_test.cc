#include "stages/neural/torch/torch_engine.h"

#include <cmath>
#include <fstream>
#include <thread>

#include <doctest/doctest.h>
#include <torch/script.h>

#include "stages/neural/torch/batch_check.h"
#include "tests/torch/models.h"

using flowtts::DeviceId;
using flowtts::Error;
using flowtts::Result;
using flowtts::VoiceEngine;
using flowtts::VoiceInput;
using flowtts::testing::speak;
using flowtts::testing::TinyVoice;

namespace {

using Samples = std::vector<float>;
using Rows = std::vector<Result<Samples>>;
using Lists = std::vector<std::vector<std::int64_t>>;

std::shared_ptr<VoiceEngine> open(const flowtts::VoiceConfig& voice, bool batched = false) {
  auto engine = flowtts::open_torchscript(voice, DeviceId{}, {{}, batched});
  if (!engine.ok()) FAIL(engine.error().message);
  return std::move(engine).value();
}

std::string refusal(const flowtts::VoiceConfig& voice) {
  const auto engine = flowtts::open_torchscript(voice, DeviceId{});
  REQUIRE(engine.is_error());
  CHECK(engine.error().code == "voice_not_loaded");
  CHECK(engine.error().fatal);
  return engine.error().message;
}

/// Inputs and the tokens that they refer to; the i-th has the speaker i mod 2 and the seed i.
struct Sentences {
  Lists tokens;
  std::vector<VoiceInput> inputs;

  explicit Sentences(Lists all) : tokens(std::move(all)) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      inputs.push_back({tokens[i], static_cast<std::int64_t>(i % 2), 1.0, i});
    }
  }
};

Samples require_samples(const Result<Samples>& row) {
  if (row.is_error()) FAIL(row.error().message);
  return row.value();
}

/// The default voice's module called without the engine: alone, through `forward`.
Samples call_directly(torch::jit::Module& module, const VoiceInput& input) {
  const auto count = static_cast<std::int64_t>(input.tokens.size());
  const at::Tensor tokens =
      torch::tensor(std::vector<std::int64_t>(input.tokens.begin(), input.tokens.end()));
  const auto made =
      module.forward({tokens.unsqueeze(0), torch::tensor({count}), torch::tensor({input.speaker}),
                      torch::tensor({static_cast<float>(input.speed)})});
  const at::Tensor audio = made.toTupleRef().elements()[0].toTensor().contiguous();
  const auto length = made.toTupleRef().elements()[1].toTensor().item<std::int64_t>();
  return {audio.const_data_ptr<float>(), audio.const_data_ptr<float>() + length};
}

// Says each token's value in 10 samples.
constexpr const char* kEcho = R"(
def forward(self, tokens, token_lengths, speaker, speed):
    audio = tokens.to(torch.float).repeat_interleave(10, 1)
    return audio, token_lengths * 10
)";

constexpr const char* kEchoInTwoParts = R"(
def plan(self, tokens, token_lengths, speaker, speed):
    return tokens.to(torch.float).unsqueeze(1), tokens.to(torch.float), token_lengths
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    audio = torch.zeros([h.size(0), frames.size(0)])
    count = min(h.size(2), frames.size(0))
    audio[:, :count] = h[:, 0, :count]
    return audio.repeat_interleave(10, 1)
)";

}  // namespace

TEST_CASE("The default voice gives the bits of its own module, alone and in any company") {
  const auto binding = flowtts::testing::bind_cpu();
  const flowtts::VoiceConfig voice = flowtts::testing::default_voice();
  const auto engine = open(voice);
  CHECK(engine->max_batch() == 1);

  torch::jit::Module module = torch::jit::load(voice.model.string());
  module.to(at::kFloat);
  module.eval();

  Lists tokens;
  for (const std::size_t count : {5, 23, 40, 12, 67}) {
    tokens.push_back(flowtts::testing::sentence_tokens(count, static_cast<std::uint32_t>(count)));
  }
  std::vector<VoiceInput> inputs;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    inputs.push_back({tokens[i], static_cast<std::int64_t>(i % 4), i == 2 ? 1.5 : 1.0, 7});
  }
  const Rows rows = speak(*engine, inputs);
  REQUIRE(rows.size() == inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Samples samples = require_samples(rows[i]);
    const Samples direct = call_directly(module, inputs[i]);
    CHECK(samples.size() == direct.size());
    CHECK(samples == direct);
    CHECK(samples.size() % voice.hop == 0);
    CHECK(require_samples(speak(*engine, {&inputs[i], 1}).front()) == samples);
  }
}

TEST_CASE("Two lanes that speak at the same time give the bits of one") {
  const auto binding = flowtts::testing::bind_cpu();
  const auto engine = open(flowtts::testing::default_voice());
  const auto tokens = flowtts::testing::sentence_tokens(30, 4);
  const VoiceInput input{tokens, 1, 1.0, 0};
  const Samples alone = require_samples(speak(*engine, {&input, 1}).front());

  std::vector<Samples> spoken(2);
  std::vector<std::thread> lanes;
  for (Samples& samples : spoken) {
    lanes.emplace_back([&engine, &input, &samples] {
      const auto lane = flowtts::testing::bind_cpu();
      for (int i = 0; i < 4; ++i) {
        const Rows rows = speak(*engine, {&input, 1});
        if (rows.front().ok()) samples = rows.front().value();
      }
    });
  }
  for (std::thread& lane : lanes) lane.join();
  CHECK(spoken[0] == alone);
  CHECK(spoken[1] == alone);
}

TEST_CASE("Twice the speed is about half the length") {
  const auto binding = flowtts::testing::bind_cpu();
  const auto engine = open(flowtts::testing::default_voice());
  const auto tokens = flowtts::testing::sentence_tokens(40, 9);
  const VoiceInput inputs[] = {{tokens, 0, 1.0, 0}, {tokens, 0, 2.0, 0}};
  const Rows rows = speak(*engine, inputs);
  const double ratio = static_cast<double>(require_samples(rows[0]).size()) /
                       static_cast<double>(require_samples(rows[1]).size());
  CHECK(ratio == doctest::Approx(2.0).epsilon(0.05));
}

TEST_CASE("In a batch each row is cut at its own length") {
  const auto binding = flowtts::testing::bind_cpu();
  const char* source = nullptr;
  SUBCASE("in one part") { source = kEcho; }
  SUBCASE("in two parts") { source = kEchoInTwoParts; }
  const TinyVoice voice(source);
  const Sentences sentences({{3}, {1, 2, 3}, {7, 8}, {4, 4, 4, 4, 4, 4, 4, 4, 4}});
  const auto engine = open(voice.config(), /*batched=*/true);
  CHECK(engine->max_batch() == 64);
  const Rows rows = speak(*engine, sentences.inputs);
  REQUIRE(rows.size() == 4);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Samples expected;
    for (const std::int64_t token : sentences.tokens[i]) {
      expected.insert(expected.end(), 10, static_cast<float>(token));
    }
    CHECK(require_samples(rows[i]) == expected);
  }
}

TEST_CASE("In a batch tokens and frames are padded, and a plan's tokens more than a sentence's") {
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice voice(R"(
def plan(self, tokens, token_lengths, speaker, speed):
    h = torch.full([tokens.size(0), 1, tokens.size(1)], float(tokens.size(1)))
    return h, tokens.to(torch.float), token_lengths
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    audio = torch.zeros([h.size(0), frames.size(0) * 10])
    audio[:, 0] = h[:, 0, 0]
    audio[:, 1] = float(h.size(2))
    audio[:, 2] = float(frames.size(0))
    return audio
)");
  const Sentences sentences({{1, 2, 3, 4, 5, 6, 7, 8, 9}, {1}});
  bool batched = false;
  float tokens = 9, plan_tokens = 9, frames = 9;
  SUBCASE("several at once") { batched = true, tokens = 16, plan_tokens = 32, frames = 16; }
  SUBCASE("but not alone") {}
  const Rows rows = speak(*open(voice.config(), batched), sentences.inputs);
  const Samples samples = require_samples(rows[0]);
  CHECK(samples.size() == 90);
  CHECK(samples[0] == tokens);
  CHECK(samples[1] == plan_tokens);
  CHECK(samples[2] == frames);
}

TEST_CASE("Speaker, speed and seed reach the model, the seed where it asks for one") {
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice voice(R"(
def forward(self, tokens, token_lengths, speaker, speed, seed):
    return torch.stack([speaker.to(torch.float), speed, seed.to(torch.float)], 1), token_lengths * 3
)");
  const std::vector<std::int64_t> tokens{1};
  const VoiceInput input{tokens, 1, 1.25, 84};
  const auto engine = open(voice.config());
  CHECK(require_samples(speak(*engine, {&input, 1}).front()) == Samples{1, 1.25F, 42});
  CHECK(engine->draws());
}

TEST_CASE("Samples that are not numbers are passed on as they are") {
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice voice(R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.full([tokens.size(0), 4], float('nan')), token_lengths * 4
)");
  const Sentences sentences(Lists{{1}});
  const auto engine = open(voice.config());
  const Samples samples = require_samples(speak(*engine, sentences.inputs).front());
  REQUIRE(samples.size() == 4);
  CHECK(std::isnan(samples[3]));
  CHECK_FALSE(engine->draws());
}

TEST_CASE("What a module returns is checked, and the item told what was wrong with it") {
  struct Case {
    const char* name;
    const char* source;
    const char* code;
    const char* message;
  };
  static const Case kCases[] = {
      {"longer than its tensor", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([1, 20]), torch.full([1], 21, dtype=torch.long)
)",
       "length_outside_tensor",
       "the model says that the sentence has 21 samples; its audio tensor has 20"},
      {"no samples", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([1, 20]), torch.zeros([1], dtype=torch.long)
)",
       "length_outside_tensor",
       "the model says that the sentence has 0 samples; its audio tensor has 20"},
      {"a negative length", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([1, 20]), torch.full([1], -1, dtype=torch.long)
)",
       "length_outside_tensor",
       "the model says that the sentence has -1 samples; its audio tensor has 20"},
      {"another type", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([1, 20], dtype=torch.double), token_lengths
)",
       "bad_model_output",
       "the model's method 'forward' returned Double [1, 20]; expected is audio float32 [B, N] or "
       "[B, 1, N]"},
      {"another shape", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([20]), token_lengths
)",
       "bad_model_output",
       "the model's method 'forward' returned Float [20]; expected is audio float32 [B, N] or [B, "
       "1, N]"},
      {"audio of another batch", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([2, 20]), token_lengths
)",
       "bad_model_output",
       "the model's method 'forward' returned Float [2, 20]; expected is audio float32 [B, N] or "
       "[B, 1, N]"},
      {"lengths of another type", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([1, 20]), token_lengths.to(torch.int)
)",
       "bad_model_output",
       "the model's method 'forward' returned (Float [1, 20], Int [1]); expected is (audio, int64 "
       "[B] "
       "audio_lengths)"},
      {"no tuple", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([1, 20])
)",
       "bad_model_output",
       "the model's method 'forward' returned Float [1, 20]; expected is (audio, int64 [B] "
       "audio_lengths)"},
      {"something else", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return 3
)",
       "bad_model_output",
       "the model's method 'forward' returned Int; expected is (audio, int64 [B] audio_lengths)"},
      {"an exception", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    assert token_lengths.size(0) == 0, "the vowel is missing"
    return tokens, token_lengths
)",
       "model_failed", "AssertionError: the vowel is missing"},
      {"an operation that fails", R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return torch.zeros([3]).view([tokens.size(0) + 1]), token_lengths
)",
       "model_failed", "shape '[2]' is invalid for input of size 3"},
      {"a plan of nothing", R"(
def plan(self, tokens, token_lengths, speaker, speed):
    return tokens.to(torch.float).unsqueeze(1), tokens.to(torch.float), token_lengths * 0
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    return torch.zeros([1, 20])
)",
       "length_outside_tensor", "the model says that the sentence has 0 samples"},
      {"a plan of two hours", R"(
def plan(self, tokens, token_lengths, speaker, speed):
    return tokens.to(torch.float).unsqueeze(1), tokens.to(torch.float), token_lengths * 720000
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    return torch.zeros([1, frames.size(0) * 10])
)",
       "audio_too_long",
       "the model says that the sentence has 7200000 samples; the most is 600000, 600 s"},
      {"a plan in two pieces", R"(
def plan(self, tokens, token_lengths, speaker, speed):
    return token_lengths, token_lengths
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    return torch.zeros([1, 20])
)",
       "bad_model_output",
       "the model's method 'plan' returned (Long [1], Long [1]); expected is (float32 [B, C, T] h, "
       "float32 [B, T] durations, int64 [B] frame_lengths)"},
      {"a plan of whole numbers", R"(
def plan(self, tokens, token_lengths, speaker, speed):
    return tokens.unsqueeze(1), tokens.to(torch.float), token_lengths
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    return torch.zeros([1, 20])
)",
       "bad_model_output", nullptr},
      {"fewer samples than frames", R"(
def plan(self, tokens, token_lengths, speaker, speed):
    return tokens.to(torch.float).unsqueeze(1), tokens.to(torch.float), token_lengths * 3
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    return torch.zeros([1, 20])
)",
       "length_outside_tensor",
       "the model says that the sentence has 30 samples; its audio tensor has 20"},
  };
  const auto binding = flowtts::testing::bind_cpu();
  const Sentences sentences(Lists{{1}});
  for (const Case& each : kCases) {
    INFO(std::string(each.name));
    const TinyVoice voice(each.source);
    for (const bool batched : {false, true}) {
      const Rows rows = speak(*open(voice.config(), batched), sentences.inputs);
      REQUIRE(rows.size() == 1);
      REQUIRE(rows[0].is_error());
      CHECK(rows[0].error().code == each.code);
      if (each.message) CHECK(rows[0].error().message == std::string(each.message));
      CHECK_FALSE(rows[0].error().fatal);
    }
  }
}

TEST_CASE("A sentence without tokens is an error of its own") {
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice voice(kEcho);
  const Sentences sentences({{}, {5}});
  for (const bool batched : {false, true}) {
    const Rows rows = speak(*open(voice.config(), batched), sentences.inputs);
    REQUIRE(rows[0].is_error());
    CHECK(rows[0].error().code == "empty_input");
    CHECK(require_samples(rows[1]).size() == 10);
  }
}

TEST_CASE("One sentence that the model cannot speak fails alone in its batch") {
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice throws(R"(
def forward(self, tokens, token_lengths, speaker, speed):
    assert not (bool((tokens == 13).any())), "thirteen"
    return tokens.to(torch.float), token_lengths
)");
  const TinyVoice overruns(R"(
def plan(self, tokens, token_lengths, speaker, speed):
    return tokens.to(torch.float).unsqueeze(1), tokens.to(torch.float), torch.where(tokens[:, 0] == 13, 999999999, 1)
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    return h[:, 0, :1].repeat_interleave(frames.size(0) * 10, 1)
)");
  const Sentences sentences({{1}, {2}, {13}, {4}, {5}});
  for (const TinyVoice* voice : {&throws, &overruns}) {
    const Rows rows = speak(*open(voice->config(), /*batched=*/true), sentences.inputs);
    REQUIRE(rows.size() == 5);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i == 2) {
        CHECK(rows[i].is_error());
      } else {
        CHECK(require_samples(rows[i]).front() == static_cast<float>(i + 1));
      }
    }
  }
}

TEST_CASE("A batch that runs out of memory, or loses the device, says so as a whole and once") {
  struct Case {
    const char* what;
    const char* code;
    bool retryable, fatal;
  };
  const Case cases[] = {
      {"CUDA out of memory. Tried to allocate 2.00 GiB.", "out_of_memory", true, false},
      {"CUDA error: device-side assert triggered", "device_lost", false, true},
  };
  for (const Case& c : cases) {
    const auto binding = flowtts::testing::bind_cpu();
    const TinyVoice voice(
        "def forward(self, tokens, token_lengths, speaker, speed):\n"
        "    assert not (bool((tokens == 13).any())), \"" +
        std::string(c.what) + "\"\n    return tokens.to(torch.float), token_lengths\n");
    const Sentences sentences({{1}, {13}, {3}});
    const auto engine = open(voice.config(), /*batched=*/true);
    for (const Result<Samples>& row : speak(*engine, sentences.inputs)) {
      REQUIRE(row.is_error());
      CHECK(row.error().code == c.code);
      CHECK(row.error().message == "AssertionError: " + std::string(c.what));
      CHECK(row.error().retryable == c.retryable);
      CHECK(row.error().fatal == c.fatal);
    }
    const Rows alone = speak(*open(voice.config()), sentences.inputs);
    CHECK(alone[0].ok());
    CHECK(alone[1].error().code == c.code);
    CHECK(alone[2].ok());
  }
}

TEST_CASE("Plans of several batches are rendered together, each as in its own company") {
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice voice(kEchoInTwoParts);
  const auto engine = open(voice.config(), /*batched=*/true);
  REQUIRE(engine->plans());
  const Sentences sentences({{3}, {1, 2, 3}, {7, 8}, {4, 4, 4, 4, 4, 4, 4, 4, 4}, {5, 6}});
  const std::span<const VoiceInput> inputs(sentences.inputs);
  const auto first = engine->plan(inputs.subspan(0, 2), 4);
  const auto second = engine->plan(inputs.subspan(2), 3);
  std::vector<const flowtts::VoicePlan*> plans;
  const std::size_t order[] = {4, 0, 3, 1, 2};
  for (const std::size_t i : order) {
    plans.push_back((i < 2 ? first[i] : second[i - 2]).value().get());
    CHECK(plans.back()->frames == sentences.tokens[i].size());
  }
  for (const std::size_t rows : {5U, 8U}) {
    auto sounds = engine->render(plans, rows);
    REQUIRE(sounds.size() == 5);
    for (std::size_t k = 0; k < 5; ++k) {
      Samples expected;
      for (const std::int64_t token : sentences.tokens[order[k]]) {
        expected.insert(expected.end(), 10, static_cast<float>(token));
      }
      CHECK(sounds[k].value().samples == expected);
    }
  }
}

TEST_CASE("A compiled render part that is asked for and is not there is refused with what to do") {
  struct Case {
    const char* precision;
    const char* compiled;
    bool has_exporter;
    std::string refusal;  ///< A part of it; empty where the voice is opened.
  };
  const Case cases[] = {
      {"auto", "auto", true, ""},
      {"float32", "never", true, ""},
      {"auto", "always", true, "run `flowtts voice compile tiny.yaml`"},
      {"float16", "auto", true, "run `flowtts voice compile tiny.yaml --precision float16`"},
      {"bfloat16", "never", true, "in bfloat16"},
      {"auto", "always", false, "names no exporter"},
  };
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice voice(kEchoInTwoParts);
  for (const Case& c : cases) {
    flowtts::VoiceConfig config = voice.config();
    config.file = "tiny.yaml";
    config.model_hash = "0123456789abcdef0123456789abcdef";
    if (c.has_exporter) config.exporter = "tiny.py";
    flowtts::TorchOptions options;
    options.voice.precision = c.precision;
    options.voice.compiled = c.compiled;
    const auto opened = flowtts::open_torchscript(config, DeviceId{}, options);
    CAPTURE(c.precision);
    CAPTURE(c.compiled);
    REQUIRE(opened.ok() == c.refusal.empty());
    if (opened.ok()) continue;
    CHECK(opened.error().code == "voice_not_compiled");
    CHECK(opened.error().fatal);
    CHECK(opened.error().message.find(c.refusal) != std::string::npos);
  }
}

TEST_CASE("A voice whose samples depend on the sentence's company is found out") {
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice honest(kEcho), honest_in_two(kEchoInTwoParts);
  CHECK_FALSE(flowtts::depends_on_batch(*open(honest.config(), true), 8));
  CHECK_FALSE(flowtts::depends_on_batch(*open(honest_in_two.config(), true), 8));
  const TinyVoice by_sum(R"(
def forward(self, tokens, token_lengths, speaker, speed):
    return tokens.to(torch.float) + tokens.sum().to(torch.float), token_lengths
)");
  CHECK(flowtts::depends_on_batch(*open(by_sum.config(), true), 8));
  const TinyVoice by_length(R"(
def plan(self, tokens, token_lengths, speaker, speed):
    return tokens.to(torch.float).unsqueeze(1), tokens.to(torch.float), token_lengths
def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    return torch.full([h.size(0), frames.size(0) * 10], float(frames.size(0)))
)");
  CHECK(flowtts::depends_on_batch(*open(by_length.config(), true), 8));
  // Also where the model knows two tokens only: on a card a third one would lose it.
  const TinyVoice of_two_tokens(R"(
def forward(self, tokens, token_lengths, speaker, speed):
    known = torch.ones([2]).index_select(0, tokens.flatten()).view(tokens.size())
    return known + tokens.sum().to(torch.float), token_lengths
)");
  CHECK(flowtts::depends_on_batch(*open(of_two_tokens.config(), true), 8));
}

TEST_CASE("The default voice gives the same samples in two halves as in one call") {
  const auto binding = flowtts::testing::bind_cpu();
  const auto engine = open(flowtts::testing::default_voice(), /*batched=*/true);
  Lists tokens;
  for (const std::size_t count : {5, 40, 23}) {
    tokens.push_back(flowtts::testing::sentence_tokens(count, static_cast<std::uint32_t>(count)));
  }
  const Sentences sentences(tokens);
  const Rows together = speak(*engine, sentences.inputs);
  const auto planned = engine->plan(sentences.inputs, 3);
  std::vector<const flowtts::VoicePlan*> plans;
  for (const auto& plan : planned) plans.push_back(plan.value().get());
  const auto sounds = engine->render(plans, 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(sounds[i]->samples == require_samples(together[i]));
}

TEST_CASE("A module that is not the voice's model is refused when it is loaded") {
  const auto binding = flowtts::testing::bind_cpu();
  const TinyVoice echo(kEcho);

  flowtts::VoiceConfig voice = echo.config();
  SUBCASE("no file") {
    voice.model = "/nowhere/tiny.pt";
    const std::string message = refusal(voice);
    CHECK(message.starts_with("voice 'tiny': /nowhere/tiny.pt: "));
    CHECK(message.find('\n') == std::string::npos);
  }
  SUBCASE("not TorchScript") {
    std::ofstream(voice.model) << "this is no archive";
    CHECK(refusal(voice).starts_with("voice 'tiny': "));
  }
  SUBCASE("a missing method") {
    voice.plan_method = "plan";
    voice.render_method = "render";
    CHECK(refusal(voice).ends_with("tiny.pt: the module has no method 'plan'"));
  }
  SUBCASE("too few arguments") {
    const TinyVoice short_of_one(
        "def forward(self, tokens, token_lengths, speaker):\n    return tokens, token_lengths\n");
    CHECK(
        refusal(short_of_one.config())
            .ends_with("the method 'forward' takes 3 arguments; expected are 4, or one more named "
                       "'seed', or what `inputs` names in the voice file"));
  }
  SUBCASE("a fifth argument that is no seed") {
    const TinyVoice pitch(
        "def forward(self, tokens, token_lengths, speaker, speed, pitch):\n"
        "    return tokens, token_lengths\n");
    CHECK(refusal(pitch.config()).find("takes 5 arguments") != std::string::npos);
  }
  SUBCASE("the number of a GPU in its code") {
    const TinyVoice traced(R"(
def helper(self, n: int):
    return torch.zeros([n], device=torch.device("cuda:3"))
def forward(self, tokens, token_lengths, speaker, speed):
    audio = tokens.to(torch.float)
    if audio.size(0) > 1:
        audio = audio + self.helper(1)
    return audio, token_lengths
)");
    CHECK(
        refusal(traced.config())
            .find("the code of 'forward' names the device cuda:3, as tracing leaves it, so that it "
                  "cannot run on cpu") != std::string::npos);
  }
}

TEST_CASE("Weights stored in half precision are float32 once loaded, integers stay integers") {
  const auto binding = flowtts::testing::bind_cpu();
  const flowtts::testing::TempFolder folder;
  torch::jit::Module module("Half");
  module.register_buffer("gain", torch::full({1}, 0.5, torch::kHalf));
  module.register_buffer("shift", torch::full({1}, 3, torch::kLong));
  module.define(R"(
def forward(self, tokens, token_lengths, speaker, speed):
    assert not (self.shift.dtype != 4), "the integers were converted"
    return (tokens + self.shift).to(self.gain.dtype) * self.gain, token_lengths
)");
  flowtts::VoiceConfig voice;
  voice.name = "half";
  voice.sample_rate = 1000;
  voice.model = folder.path() / "half.pt";
  module.save(voice.model.string());
  const Sentences sentences(Lists{{5}});
  CHECK(require_samples(speak(*open(voice), sentences.inputs).front()) == Samples{4});
}
