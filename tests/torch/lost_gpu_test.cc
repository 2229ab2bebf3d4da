#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <sys/wait.h>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <doctest/doctest.h>

#include "stages/audio/polyphase.h"
#include "stages/neural/torch/cuda_loader.h"
#include "stages/neural/torch/guarded.h"
#include "tests/torch/gpu.h"
#include "tests/torch/models.h"

// A card that is lost for real. After such an error a process has no use of the card any more, so
// each happens in a process of its own.

using flowtts::testing::no_gpu;
using flowtts::testing::TempFolder;

namespace {

/// The exit status of a line for the shell.
int shell(const std::string& line) {
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// On a GPU it reads beyond a table for a sentence of more than 40 tokens, which a kernel's
/// assertion finds: CUDA gives up the whole context. A CPU is slow enough to leave it its share,
/// which is a full batch: so batches are small.
constexpr const char* kModel = R"(
def forward(self, tokens, token_lengths, speaker, speed):
    place = torch.zeros_like(token_lengths)
    work = torch.zeros([256, 256])
    if tokens.is_cuda:
        place = torch.where(token_lengths > 40, 1 << 20, 0)
    else:
        for i in range(30):
            work = torch.matmul(work, work)
    level = 0.1 + work.sum().to(tokens.device)
    level = level + torch.zeros([8], device=tokens.device).index_select(0, place)
    n = torch.arange(160 * tokens.size(1), device=tokens.device)
    return level.unsqueeze(1) * torch.sin(0.05 * n), 160 * token_lengths
)";

/// On a GPU it computes for a minute for a sentence of more than 40 tokens, and gives nobody an
/// answer meanwhile: to whoever waits for some seconds, a kernel that never ends.
constexpr const char* kEndlessModel = R"(
def forward(self, tokens, token_lengths, speaker, speed):
    level = torch.zeros([tokens.size(0)], device=tokens.device) + 0.1
    if tokens.is_cuda and bool((token_lengths > 40).any()):
        work = torch.zeros([8192, 8192], device=tokens.device)
        for i in range(3000):
            work = torch.matmul(work, work)
        level = level + work.sum()
    n = torch.arange(160 * tokens.size(1), device=tokens.device)
    return level.unsqueeze(1) * torch.sin(0.05 * n), 160 * token_lengths
)";

constexpr const char* kVoice = R"(flowtts_voice: 1
name: fragile
format: torchscript
model: fragile.pt
sample_rate: 16000
hop: 160
front_end: {type: flite_us}
speakers: [one]
)";

constexpr int kShort = 300;
constexpr int kLong = 100;

/// Runs pipelines/align.yaml with the voice above: sentences that it speaks, then those that lose
/// a GPU.
class FragileRun {
 public:
  explicit FragileRun(const std::string& devices, const char* model = kModel,
                      const std::string& more = "") {
    torch::jit::Module module("Fragile");
    module.define(flowtts::testing::TinyVoice::with_type_numbers(model));
    module.save((folder_.path() / "fragile.pt").string());
    const std::string voice = folder_.write("fragile.yaml", kVoice);
    std::string records;
    for (int i = 0; i < kShort + kLong; ++i) {
      const std::string says =
          i < kShort ? "Where is the boat?"
                     : "Where did the old man leave the red boat that he had bought from his "
                       "brother on the other side of the river?";
      records += R"({"id": ")" + std::to_string(i) +
                 R"(", "conversations": [{"from": "human", "value": ")" + says + "\"}]}\n";
    }
    const std::string input = folder_.write("input.jsonl", records);
    status_ = shell(
        std::string(std::getenv("FLOWTTS")) + " run '" + std::getenv("FLOWTTS_SOURCE_DIR") +
        "/pipelines/align.yaml' --quiet --set vars.voice=" + voice + " --set vars.input=" + input +
        " --set vars.output=" + output().string() + " --set synthesize.devices='" + devices +
        "' --set synthesize.lanes=1 --set synthesize.batch.max_items=8 --set "
        "run.max_in_flight=64 " +
        more + " >'" + (folder_.path() / "log").string() + "' 2>&1");
    report_ = flowtts::testing::read_whole_file(output() / "run.json");
  }

  int status() const { return status_; }
  const std::string& report() const { return report_; }
  std::string log() const { return flowtts::testing::read_whole_file(folder_.path() / "log"); }

  /// A count of the ledger of sentences.
  int items(const std::string& what) const {
    const std::size_t ledger = report_.find("\"items\":{\"read\"");
    const std::size_t at = report_.find('"' + what + "\":", ledger);
    REQUIRE(at < report_.size());
    return std::atoi(report_.c_str() + at + what.size() + 3);
  }

  /// How many files the manifest names; each must be whole.
  int whole_files() const {
    std::ifstream manifest(output() / "manifest.jsonl");
    int files = 0;
    for (std::string line; std::getline(manifest, line);) {
      const std::string_view kAudio = "\"audio\":\"";
      const std::string_view kSamples = "\"samples\":";
      const std::size_t audio = line.find(kAudio);
      if (audio == std::string::npos) continue;
      const std::size_t name = audio + kAudio.size();
      const std::size_t samples = line.find(kSamples);
      REQUIRE(samples != std::string::npos);
      const auto path = output() / line.substr(name, line.find('"', name) - name);
      constexpr std::uintmax_t kHeader = 44;
      const auto count = std::strtoul(line.c_str() + samples + kSamples.size(), nullptr, 10);
      REQUIRE(std::filesystem::exists(path));
      CHECK(std::filesystem::file_size(path) == kHeader + 2 * count);
      ++files;
    }
    return files;
  }

 private:
  std::filesystem::path output() const { return folder_.path() / "out"; }

  TempFolder folder_;
  int status_ = -1;
  std::string report_;
};

bool no_command() {
  if (std::getenv("FLOWTTS") && std::getenv("FLOWTTS_SOURCE_DIR")) return false;
  MESSAGE("skipped: FLOWTTS and FLOWTTS_SOURCE_DIR do not name the command and its sources");
  return true;
}

}  // namespace

TEST_CASE("A run that loses its only GPU ends with status 3, and what is done is safe") {
  if (no_gpu() || no_command()) return;
  const FragileRun run("cuda:0");
  CAPTURE(run.log());
  CHECK(run.status() == 3);
  CHECK(run.report().find("\"lost\":\"") != std::string::npos);
  CHECK(run.log().find("device-side assert") != std::string::npos);
  // At most 64 records were under way when the first long one was read.
  CHECK(run.whole_files() >= kShort - 64);
  CHECK(run.whole_files() == run.items("written"));
  CHECK(run.items("written") <= kShort);
}

TEST_CASE("Another device does the work of a GPU that is lost, and every sentence is spoken") {
  if (no_gpu() || no_command()) return;
  const FragileRun run("[cuda:0, cpu]");
  CAPTURE(run.log());
  CHECK(run.status() == 0);
  CHECK(run.report().find("\"lost\":\"") != std::string::npos);
  CHECK(run.items("written") == kShort + kLong);
  CHECK(run.whole_files() == kShort + kLong);
}

TEST_CASE("A kernel that does not end loses its GPU, and another device does the work") {
  if (no_gpu() || no_command()) return;
  const std::string soon = "--set run.hang_after_s=6";
  {
    const FragileRun run("cuda:0", kEndlessModel, soon);
    CAPTURE(run.log());
    CHECK(run.status() == 3);
    CHECK(run.report().find("\"lost\":\"does not finish") != std::string::npos);
    CHECK(run.whole_files() >= kShort - 64);
    CHECK(run.whole_files() == run.items("written"));
  }
  const FragileRun run("[cuda:0, cpu]", kEndlessModel, soon);
  CAPTURE(run.log());
  CHECK(run.status() == 0);
  CHECK(run.report().find("\"lost\":\"does not finish") != std::string::npos);
  CHECK(run.items("written") == kShort + kLong);
  CHECK(run.whole_files() == kShort + kLong);
}

// Found and run by the test below it.
TEST_CASE("child: a kernel reads where there is no memory" * doctest::skip()) {
  const auto runtime = flowtts::testing::start_gpu();
  const auto binding = runtime->bind(flowtts::testing::kGpu);
  const auto module = flowtts::load_cuda_module();
  REQUIRE(module.ok());
  std::array<char, 512> reason{};
  const auto filter = flowtts::design_polyphase(16000, 22050);
  REQUIRE(filter.ok());
  const auto* converter =
      (*module)->make_converter(0, *filter, /*pcm_16=*/true, reason.data(), reason.size());
  REQUIRE(converter != nullptr);
  const at::Device gpu(at::kCUDA, 0);
  const flowtts::AudioRow wild{reinterpret_cast<const float*>(0x1000), 16000, 0, 22050};
  at::Tensor row = at::empty({static_cast<std::int64_t>(sizeof wild)}, at::kByte);
  std::memcpy(row.mutable_data_ptr(), &wild, sizeof wild);
  row = row.to(gpu);
  const at::Tensor out = at::empty({22050}, at::TensorOptions(at::kShort).device(gpu));
  const at::Tensor stats = at::empty({3}, at::TensorOptions(at::kFloat).device(gpu));
  const c10::impl::VirtualGuardImpl cuda(c10::DeviceType::CUDA);
  const auto failure = flowtts::guarded(gpu, [&] {
    (*module)->convert(
        converter, static_cast<const flowtts::AudioRow*>(row.const_data_ptr()), 1, 22050,
        out.mutable_data_ptr(), static_cast<flowtts::RowStats*>(stats.mutable_data_ptr()),
        cuda.getStreamNativeHandle(cuda.getStream(gpu)), reason.data(), reason.size());
    cuda.synchronizeDevice(0);
  });
  const bool lost = failure && failure->code == flowtts::kDeviceLostCode;
  // What libraries do with a lost device as they go could hang.
  std::_Exit(lost ? 0 : 1);
}

TEST_CASE("An illegal memory access is told as a lost device") {
  if (no_gpu()) return;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  CHECK(shell("'" + self + "' --no-skip --test-case='child: a kernel reads*'") == 0);
}
