// Would CUDA graphs pay? How long it takes to launch a voice's parts and to run them, plainly and
// replayed from a captured graph, by one lane and by several at once. Needs a GPU.
//
//   graph_bench [--lanes 3] [--tokens 40] [--seconds 0.5] ...; the usage tells the rest.
//
// A lane waits for each call's end, as in a run. "launch" is the host's time until a call returns;
// "plain" and "replay" are the time from call to call, of all lanes together. Made-up sentences of
// one length: what a graph saves depends on the number of kernels, not on the words. Inputs stay
// where they are, which favours the graphs: in a run each replay would have them copied first.

#include <ATen/cuda/CUDAGraph.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/script.h>
#include <torch/version.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <flowtts/device.h>

#include "bench/arguments.h"
#include "stages/neural/card.h"
#include "stages/neural/torch/module_check.h"
#include "stages/neural/torch/torch_runtime.h"
#include "stages/neural/torch/voice_batch.h"
#include "stages/neural/voice.h"
#include "stages/neural/voice_cache.h"

namespace {

using namespace flowtts;
using namespace flowtts::bench;
using Clock = std::chrono::steady_clock;
using Loader = torch::inductor::AOTIModelPackageLoader;

constexpr DeviceId kGpu{DeviceKind::kCuda, 0};
const at::Device kDevice(at::kCUDA, 0);

constexpr const char* kUsage =
    "usage: graph_bench [NAME VALUE]...\n"
    "  --voice FILE       configs/voices/default.yaml\n"
    "  --precision NAME   float16; of the compiled render, left out where there is none\n"
    "  --lanes N          3; measured besides one\n"
    "  --tokens N         40; of each sentence\n"
    "  --part NAME        all, plan, render, compiled\n"
    "  --seconds S        0.5; for each figure\n";

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void synchronize() {
  const c10::impl::VirtualGuardImpl cuda(c10::DeviceType::CUDA);
  cuda.synchronizeStream(cuda.getStream(kDevice));
}

using Call = std::function<void()>;
/// Makes what a lane calls, on that lane's thread: its inputs lie on the lane's stream.
using MakeCall = std::function<Call()>;

/// What both parts of a voice are called with.
struct Inputs {
  at::Tensor tokens, token_lengths, speakers, speeds;
  at::Tensor h, durations, frame_lengths, frames;
};

class Voice {
 public:
  explicit Voice(const Arguments& arguments)
      : config_(read(arguments)), tokens_(arguments.count("tokens")) {
    module_ = torch::jit::load(config_.model.string(), kDevice);
    module_.eval();
    make_float32(module_);
    const auto card = card_name(kGpu).value_or("");
    if (const auto found =
            find_compiled(config_, card, TORCH_VERSION, arguments.text("precision"))) {
      package_ = found->package.string();
    }
  }

  bool is_compiled() const { return !package_.empty(); }

  Call plan(std::int64_t rows) {
    return [this, in = token_inputs(rows, 8)] {
      module_.get_method(config_.plan_method)(
          {in.tokens, in.token_lengths, in.speakers, in.speeds});
    };
  }

  Call render(std::int64_t rows) {
    return [this, in = plan_inputs(rows)] {
      module_.get_method(config_.render_method)(
          {in.h, in.durations, in.token_lengths, in.speakers, in.frame_lengths, in.frames});
    };
  }

  /// A package of the lane's own: one that several lanes share marks its runs by events, which a
  /// graph does not take.
  Call compiled_render(std::int64_t rows) {
    const auto loader = std::make_shared<Loader>(package_, "model", /*run_single_threaded=*/true, 1,
                                                 static_cast<c10::DeviceIndex>(0));
    return [loader, in = plan_inputs(rows)] {
      loader->boxed_run(
          {in.h, in.durations, in.token_lengths, in.speakers, in.frame_lengths, in.frames});
    };
  }

  /// Of a sentence, once it is planned.
  std::int64_t frames(std::int64_t rows) { return plan_inputs(rows).frames.size(0); }

 private:
  static VoiceConfig read(const Arguments& arguments) {
    auto voice = read_voice(arguments.text("voice"), /*hash=*/true);
    if (!voice.ok()) give_up(voice.error().message);
    if (voice->render_method.empty()) give_up("the voice is in one part");
    return *std::move(voice);
  }

  Inputs token_inputs(std::int64_t rows, std::int64_t token_step) const {
    std::vector<std::int64_t> tokens;
    for (std::int64_t i = 0; i < tokens_; ++i) tokens.push_back(1 + i * 7 % 47);
    const std::vector<VoiceInput> sentences(static_cast<std::size_t>(rows),
                                            VoiceInput{tokens, 0, 1.0, 0});
    const TokenBatch batch = make_token_batch(sentences, sentences.size(), token_step, kDevice);
    return {batch.tokens, batch.token_lengths, batch.speakers, batch.speeds, {}, {}, {}, {}};
  }

  Inputs plan_inputs(std::int64_t rows) {
    Inputs in = token_inputs(rows, 32);  // padded as the engine does
    const auto made = module_.get_method(config_.plan_method)(
        {in.tokens, in.token_lengths, in.speakers, in.speeds});
    const auto parts = made.toTupleRef().elements();
    in.h = parts[0].toTensor().contiguous();
    in.durations = parts[1].toTensor().contiguous();
    in.frame_lengths = parts[2].toTensor();
    const std::int64_t longest = round_up(in.frame_lengths.max().item<std::int64_t>(), 8);
    in.frames = at::zeros({longest}, in.durations.options());
    return in;
  }

  const VoiceConfig config_;
  const std::int64_t tokens_;
  torch::jit::Module module_;
  std::string package_;
};

struct Times {
  double launch = 0;  ///< Seconds; the host's, for one call.
  double each = 0;    ///< Seconds from call to call, of all lanes together.
};

class Bench {
 public:
  Bench(DeviceRuntime& runtime, double seconds) : runtime_(runtime), seconds_(seconds) {}

  /// Throws where the calls cannot be captured.
  Times measure(const MakeCall& make, int lanes, bool replayed) {
    std::barrier gate(lanes);
    std::mutex mutex;
    std::optional<std::string> failure;
    std::atomic<long> calls = 0;
    double launching = 0;
    double longest = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < lanes; ++i) {
      threads.emplace_back([&] {
        const auto binding = runtime_.bind(kGpu);
        Call plainly, call;  // what is captured uses the inputs of the plain one
        at::cuda::CUDAGraph graph;
        {
          const std::lock_guard one_at_a_time(mutex);
          try {
            plainly = make();
            for (int k = 0; k < 5; ++k) plainly();
            synchronize();
            call = plainly;
            if (replayed) {
              capture(graph, plainly);
              call = [&graph] { graph.replay(); };
            }
          } catch (const std::exception& error) {
            failure = error.what();
          }
        }
        gate.arrive_and_wait();
        if (failure) return;
        const auto begin = Clock::now();
        double launch = 0;
        long done = 0;
        try {
          while (seconds_since(begin) < seconds_) {
            const auto called = Clock::now();
            call();
            launch += seconds_since(called);
            synchronize();
            ++done;
          }
        } catch (const std::exception& error) {
          give_up(error.what());
        }
        const double took = seconds_since(begin);
        gate.arrive_and_wait();
        calls += done;
        const std::lock_guard lock(mutex);
        launching += launch;
        longest = std::max(longest, took);
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (failure) throw std::runtime_error(failure->substr(0, failure->find('\n')));
    return {launching / static_cast<double>(calls), longest / static_cast<double>(calls)};
  }

 private:
  /// The other lanes wait meanwhile; what they do could not be captured, and would fail it.
  static void capture(at::cuda::CUDAGraph& graph, const Call& call) {
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      call();
    } catch (...) {
      try {
        graph.capture_end();
      } catch (const std::exception&) {
        // The reason is the call's.
      }
      throw;
    }
    graph.capture_end();
    graph.replay();
    synchronize();
  }

  DeviceRuntime& runtime_;
  const double seconds_;
};

void print(Bench& bench, const std::string& name, std::int64_t rows, int lanes,
           const MakeCall& make) {
  try {
    const Times plain = bench.measure(make, lanes, false);
    std::printf("| %-22s | %4lld | %d | %.2f | %.2f |", name.c_str(), static_cast<long long>(rows),
                lanes, plain.launch * 1e3, plain.each * 1e3);
    const Times replay = bench.measure(make, lanes, true);
    std::printf(" %.2f | %.2f | %.2f |\n", replay.launch * 1e3, replay.each * 1e3,
                plain.each / replay.each);
  } catch (const std::exception& failure) {
    std::printf(" not captured: %s\n", failure.what());
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kUsage,
                            {{"voice", "configs/voices/default.yaml"},
                             {"precision", "float16"},
                             {"lanes", "3"},
                             {"tokens", "40"},
                             {"part", "all"},
                             {"seconds", "0.5"}});
  if (visible_gpus().empty()) give_up("there is no GPU here");
  const auto runtime = make_torch_runtime();
  const auto started = runtime->start(kGpu, {});
  if (!started.ok()) give_up(started.error().message);
  const auto binding = runtime->bind(kGpu);
  Voice voice(arguments);
  Bench bench(*runtime, arguments.number("seconds"));
  std::printf("%d tokens, %lld frames, milliseconds\n\n", arguments.count("tokens"),
              static_cast<long long>(voice.frames(8)));
  std::printf(
      "| part | rows | lanes | launch | plain | launch of a replay | replay | gain |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  const std::string part = arguments.text("part");
  const auto wanted = [&](const char* name) { return part == "all" || part == name; };
  for (const int lanes : {1, std::max(1, arguments.count("lanes"))}) {
    for (const std::int64_t rows : {64, 128, 256}) {
      if (!wanted("plan")) break;
      print(bench, "plan, TorchScript", rows, lanes, [&] { return voice.plan(rows); });
    }
    for (const std::int64_t rows : {8, 64}) {
      if (!wanted("render")) break;
      print(bench, "render, TorchScript", rows, lanes, [&] { return voice.render(rows); });
    }
    for (const std::int64_t rows : {8, 64}) {
      if (!wanted("compiled") || !voice.is_compiled()) break;
      print(bench, "render, compiled", rows, lanes, [&] { return voice.compiled_render(rows); });
    }
  }
}
