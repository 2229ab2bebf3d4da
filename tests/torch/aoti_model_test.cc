#include "stages/neural/torch/aoti_model.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <torch/script.h>
#include <torch/version.h>

#include "stages/neural/card.h"
#include "stages/neural/voice_cache.h"
#include "tests/torch/models.h"
#include "tests/torch/python.h"

// A voice of a few bytes goes the whole way: the command compiles it for the CPU, the cache has it,
// and the package runs.

using flowtts::AotiModel;
using flowtts::testing::cannot_compile;
using flowtts::testing::shell;
using flowtts::testing::TempFolder;

namespace {

constexpr const char* kModel = R"(
def plan(self, tokens, token_lengths, speaker, speed):
    x = tokens.to(torch.float)
    h = torch.stack([torch.sin(x), torch.cos(x)], 1)
    durations = torch.ones_like(h[:, 0])
    return h, durations, token_lengths

def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
    n = torch.arange(10 * frames.size(0), device=h.device)
    level = (h[:, 0] - 2 * h[:, 1]).sum(1) / token_lengths + 0.1 * speaker
    inside = n.unsqueeze(0) < (10 * frame_lengths).unsqueeze(1)
    return level.unsqueeze(1) * torch.cos(0.3 * n) * inside
)";

constexpr const char* kExporter = R"(
import torch

class Render(torch.nn.Module):
    def forward(self, h, durations, token_lengths, speaker, frame_lengths, frames):
        n = torch.arange(10 * frames.shape[0], device=h.device)
        level = (h[:, 0] - 2 * h[:, 1]).sum(1) / token_lengths + 0.1 * speaker
        inside = n.unsqueeze(0) < (10 * frame_lengths).unsqueeze(1)
        return level.unsqueeze(1) * torch.cos(0.3 * n) * inside + OFFSET

def export(model_path, precision, device):
    batch, tokens, frames = (torch.export.Dim(name, min=4, max=1000) for name in "btf")
    lengths = torch.tensor([7, 3, 9, 1, 5, 6], device=device)
    # Not contiguous, which must not become a property of the package.
    h = torch.rand(6, 9, 2, device=device).transpose(1, 2)
    inputs = (h, torch.ones(6, 9, device=device), lengths,
              lengths * 0, lengths, torch.zeros(9, device=device))
    return Render(), inputs, ({0: batch, 2: tokens}, {0: batch, 1: tokens}, {0: batch}, {0: batch},
                              {0: batch}, {0: frames})
)";

constexpr const char* kVoice = R"(flowtts_voice: 1
name: tiny
format: torchscript
model: tiny.pt
sample_rate: 1000
hop: 10
front_end: {type: flite_us}
speakers: [one, two]
parts: {plan: plan, render: render}
compile: {exporter: export.py}
)";

/// The command's folder of a voice, and what is needed to run the command on it.
class Workshop {
 public:
  explicit Workshop(const std::string& offset) {
    torch::jit::Module module("Tiny");
    module.define(flowtts::testing::TinyVoice::with_type_numbers(kModel));
    module.save((folder_.path() / "tiny.pt").string());
    std::string exporter = kExporter;
    exporter.replace(exporter.find("OFFSET"), 6, offset);
    folder_.write("export.py", exporter);
    voice_ = folder_.write("tiny.yaml", kVoice);
    ::setenv("FLOWTTS_CACHE_DIR", (folder_.path() / "cache").c_str(), 1);
  }
  ~Workshop() { ::unsetenv("FLOWTTS_CACHE_DIR"); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  const std::string& voice() const { return voice_; }
  std::string log() const { return flowtts::testing::read_whole_file(folder_.path() / "log"); }

  int compile() const {
    return shell(std::string(std::getenv("FLOWTTS")) + " voice compile " + voice_ +
                 " --device cpu >'" + (folder_.path() / "log").string() + "' 2>&1");
  }

 private:
  TempFolder folder_;
  std::string voice_;
};

std::vector<at::Tensor> make_inputs(std::int64_t rows, std::int64_t tokens, std::int64_t frames) {
  const at::Tensor lengths = at::arange(rows, at::kLong).remainder(tokens) + 1;
  return {at::sin(at::arange(rows * 2 * tokens, at::kFloat)).view({rows, 2, tokens}),
          at::ones({rows, tokens}),
          lengths,
          at::arange(rows, at::kLong).remainder(2),
          lengths.clamp_max(frames),
          at::zeros({frames})};
}

/// The one tensor that a call made.
at::Tensor one_of(flowtts::Result<std::vector<at::Tensor>> made) {
  if (made.is_error()) FAIL(made.error().message);
  REQUIRE(made->size() == 1);
  return made->front();
}

float largest_difference(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a - b).abs().max().item<float>();
}

}  // namespace

TEST_CASE("A voice that the command has compiled sounds as the voice itself") {
  if (cannot_compile()) return;
  const Workshop workshop("0");
  const int status = workshop.compile();
  INFO(workshop.log());
  REQUIRE(status == 0);
  const auto voice = flowtts::read_voice(workshop.voice(), true);
  REQUIRE(voice.ok());
  const auto made =
      flowtts::find_compiled(*voice, *flowtts::card_name({}), TORCH_VERSION, "float32");
  REQUIRE(made);
  CHECK(made->bytes > 0);
  CHECK(made->compile_seconds > 0);
  CHECK(made->spectral_error < 1e-5);

  const auto binding = flowtts::testing::bind_cpu();
  const auto model = AotiModel::open(made->package, "model", {}, 2);
  if (model.is_error()) FAIL(model.error().message);
  auto module = torch::jit::load(voice->model.string());
  const auto differs = [&](std::int64_t rows, std::int64_t tokens, std::int64_t frames) {
    const auto inputs = make_inputs(rows, tokens, frames);
    const at::Tensor audio = one_of((*model)->run(inputs));
    const std::vector<c10::IValue> values(inputs.begin(), inputs.end());
    return largest_difference(audio, module.get_method("render")(values).toTensor());
  };
  CHECK(differs(6, 9, 9) < 1e-5F);
  CHECK(differs(16, 40, 300) < 1e-5F);
  CHECK(differs(5, 4, 4) < 1e-5F);

  {
    INFO("whatever the strides of its inputs");
    auto inputs = make_inputs(8, 12, 20);
    const at::Tensor expected = one_of((*model)->run(inputs));
    inputs[0] = inputs[0].transpose(0, 2).contiguous().transpose(0, 2);
    REQUIRE_FALSE(inputs[0].is_contiguous());
    CHECK(largest_difference(one_of((*model)->run(inputs)), expected) == 0);
  }
  {
    INFO("on several lanes at once, more than it was opened for");
    const auto inputs = make_inputs(8, 12, 64);
    const at::Tensor expected = one_of((*model)->run(inputs));
    std::vector<int> wrong(4, 0);
    std::vector<std::thread> lanes;
    for (int& count : wrong) {
      lanes.emplace_back([&] {
        const auto lane = flowtts::testing::bind_cpu();
        for (int i = 0; i < 25; ++i) {
          const auto audio = (*model)->run(inputs);
          count += audio.ok() && at::equal(audio->front(), expected) ? 0 : 1;
        }
      });
    }
    for (std::thread& lane : lanes) lane.join();
    CHECK(wrong == std::vector<int>(4, 0));
  }
  {
    INFO("and wrong inputs are an error, not an end");
    const auto audio = (*model)->run({at::ones({2, 2, 5})});
    REQUIRE(audio.is_error());
    CHECK(audio.error().code == "model_failed");
    CHECK_FALSE(audio.error().fatal);
  }
  {
    INFO("and once it is there, the command leaves it as it is");
    const auto before = std::filesystem::last_write_time(made->package);
    CHECK(workshop.compile() == 0);
    CHECK(workshop.log().find("Nothing is to be done") != std::string::npos);
    CHECK(std::filesystem::last_write_time(made->package) == before);
  }
}

TEST_CASE("An exporter that makes another voice is refused, and nothing is kept of it") {
  if (cannot_compile()) return;
  const Workshop workshop("0.5");
  CHECK(workshop.compile() == 2);
  const std::string log = workshop.log();
  INFO(log);
  CHECK(log.find("export.py: what it exports does not speak as") != std::string::npos);
  CHECK(flowtts::list_compiled().empty());
}

TEST_CASE("A package that is not there or is none is an error that names it") {
  const TempFolder folder;
  const auto gone = AotiModel::open(folder.path() / "gone.pt2", "model", {}, 1);
  REQUIRE(gone.is_error());
  CHECK(gone.error().code == "voice_not_loaded");
  CHECK(gone.error().message.find("gone.pt2 cannot be loaded: there is no such file") !=
        std::string::npos);
  const auto torn = AotiModel::open(folder.write("torn.pt2", "not a package"), "model", {}, 1);
  REQUIRE(torn.is_error());
  CHECK(torn.error().fatal);
  CHECK(torn.error().message.find("torn.pt2 cannot be loaded: it is no package of AOTInductor") !=
        std::string::npos);
}
