// Memory over a long run at full speed: the stages of pipelines/align.yaml from `sample` to
// `resample`, fed with the same conversations under ever new ids, and their audio counted and
// dropped, so that a disk need not hold it.
//
//   soak --input FILE [--seconds 480] [--every 10] [--set NAME.KEY=VALUE]...
//
// Prints how things stand every so often, and at the end by how much each kind of memory grew after
// the first fifth: the mean of the samples in the last fifth of the time against the mean of those
// in the second.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "bench/align_file.h"
#include "bench/arguments.h"

namespace {

using namespace flowtts;
using namespace flowtts::bench;
using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: soak --input FILE [NAME VALUE]...\n"
    "  --input FILE       conversations\n"
    "  --pipeline FILE    pipelines/align.yaml\n"
    "  --seconds N        480\n"
    "  --every N          10; seconds between two lines\n"
    "  --device-index N   0; the GPU whose memory is told\n"
    "  --set NAME.KEY=VALUE  changes the pipeline, as the command does\n";

/// What stages share that are made by name.
struct Shared {
  std::mutex mutex;
  std::vector<std::shared_ptr<const Conversation>> conversations;
  Clock::time_point end;
  std::atomic<std::uint64_t> sentences = 0;
  std::atomic<std::uint64_t> samples = 0;
  std::atomic<std::uint32_t> rate = 0;
};
Shared shared;

struct KeepConversations final : Sink<Conversation> {
  static void describe(Spec<KeepConversations>& spec) {
    spec.name("keep_conversations").summary("Keeps conversations in memory.");
  }
  std::optional<Error> process(const Conversation& conversation, const Item&) const {
    const std::lock_guard lock(shared.mutex);
    shared.conversations.push_back(std::make_shared<const Conversation>(conversation));
    return std::nullopt;
  }
};
FLOWTTS_STAGE(KeepConversations)

struct RepeatConversations final : Source<Conversation> {
  static void describe(Spec<RepeatConversations>& spec) {
    spec.name("repeat_conversations").summary("Reads the kept conversations again and again.");
  }
  std::optional<SourceRecord<Conversation>> next(const KeepRecord& keep) {
    while (Clock::now() < shared.end) {
      const std::uint64_t number = made_++;
      RecordKey key{"soak-" + std::to_string(number), number, number};
      if (!keep(key)) continue;
      Conversation conversation = *shared.conversations[number % shared.conversations.size()];
      conversation.id = key.id;
      return SourceRecord<Conversation>{key, number, std::move(conversation)};
    }
    return std::nullopt;
  }

 private:
  std::uint64_t made_ = 0;
};
FLOWTTS_STAGE(RepeatConversations)

struct CountAudio final : Sink<Audio> {
  static void describe(Spec<CountAudio>& spec) {
    spec.name("count_audio").summary("Counts audio and drops it.");
  }
  std::optional<Error> process(const Audio& audio, const Item&) const {
    shared.sentences += 1;
    shared.samples += audio.size();
    shared.rate = audio.sample_rate;
    return std::nullopt;
  }
};
FLOWTTS_STAGE(CountAudio)

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

struct Sample {
  double seconds = 0;
  double reserved = 0, allocated = 0, resident = 0;  ///< Bytes.
};

/// Looks at the memory as often as the run tells how it stands, which is more often than a line is
/// printed.
class Observer final : public RunObserver {
 public:
  Observer(double every, int gpu, bool on_gpu) : every_(every) {
    if (!on_gpu) return;
    auto runtime = make_device_runtime("torch");
    if (!runtime.ok()) give_up(runtime.error().message);
    runtime_ = *runtime;
    device_ = {DeviceKind::kCuda, gpu};
  }

  void message(MessageLevel level, const std::string& text) override {
    if (level != MessageLevel::kInfo) std::fprintf(stderr, "%s\n", text.c_str());
  }

  void progress(const RunProgress& progress) override {
    Sample sample{progress.seconds, 0, 0, resident_bytes()};
    if (runtime_) {
      const DeviceMemory memory = runtime_->memory(device_);
      sample.reserved = static_cast<double>(memory.reserved);
      sample.allocated = static_cast<double>(memory.allocated);
    }
    samples_.push_back(sample);
    if (sample.seconds - last_.seconds >= every_) print(sample);
  }

  const std::vector<Sample>& samples() const { return samples_; }

 private:
  void print(const Sample& sample) {
    const double audio = static_cast<double>(shared.samples) / std::max(1U, shared.rate.load());
    const double rate = (audio - last_audio_) / (sample.seconds - last_.seconds);
    std::printf(
        "%6.0f s %11llu sentences %9.0f audio s/s  device %8.1f MiB reserved %8.1f in use  "
        "host %8.1f MiB\n",
        sample.seconds, static_cast<unsigned long long>(shared.sentences.load()), rate,
        sample.reserved / 0x1p20, sample.allocated / 0x1p20, sample.resident / 0x1p20);
    std::fflush(stdout);
    last_ = sample;
    last_audio_ = audio;
  }

  const double every_;
  std::shared_ptr<DeviceRuntime> runtime_;  ///< Null without a GPU.
  DeviceId device_;
  Sample last_;
  double last_audio_ = 0;
  std::vector<Sample> samples_;
};

double mean(const std::vector<Sample>& samples, double from, double to, double Sample::*what) {
  double sum = 0;
  int count = 0;
  for (const Sample& sample : samples) {
    if (sample.seconds < from || sample.seconds > to) continue;
    sum += sample.*what;
    ++count;
  }
  return count > 0 ? sum / count : NAN;
}

void print_growth(const char* name, const std::vector<Sample>& samples, double begin, double end,
                  double Sample::*what) {
  const double fifth = (end - begin) / 5;
  const double early = mean(samples, begin + fifth, begin + 2 * fifth, what);
  const double late = mean(samples, end - fifth, end, what);
  if (!(early > 0)) return;
  std::printf("%s: %+.2f%% (%.1f to %.1f MiB)\n", name, 100 * (late / early - 1), early / 0x1p20,
              late / 0x1p20);
}

void read_conversations(const Arguments& arguments) {
  AlignFile file(arguments.text("pipeline"));
  file.end_with("sample", "{id: keep, type: keep_conversations}");
  Pipeline pipeline = file.compile({"vars.input=" + arguments.text("input")});
  run_to_end(pipeline);
  if (shared.conversations.empty()) give_up("there is no conversation in the input");
}

bool on_gpu(const Pipeline& pipeline) {
  for (const PipelineStage& stage : pipeline.stages()) {
    for (const DeviceId device : stage.devices) {
      if (device.kind == DeviceKind::kCuda) return true;
    }
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kUsage,
                            {{"input", ""},
                             {"pipeline", "pipelines/align.yaml"},
                             {"seconds", "480"},
                             {"every", "10"},
                             {"device-index", "0"}});
  if (arguments.text("input").empty()) arguments.refuse("--input is missing");
  const double seconds = arguments.number("seconds");
  read_conversations(arguments);

  AlignFile file(arguments.text("pipeline"));
  file.begin_with("load", "{id: load, type: repeat_conversations}");
  file.end_with("write", "{id: count, type: count_audio, concurrency: auto}");
  Pipeline pipeline = file.compile(arguments.sets());
  Observer observer(arguments.number("every"), arguments.count("device-index"), on_gpu(pipeline));
  RunOptions options;
  options.observer = &observer;
  options.progress_every_s = std::min(1.0, arguments.number("every"));
  shared.end = Clock::now() +
               std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const RunReport report = run_to_end(pipeline, options);

  const double audio = static_cast<double>(shared.samples) / std::max(1U, shared.rate.load());
  std::printf("%llu sentences, %.1f h of audio in %.1f s\n",
              static_cast<unsigned long long>(shared.sentences.load()), audio / 3600,
              report.seconds);
  // While it was fed: what drains at the end needs less.
  const double begin = report.start_seconds;
  print_growth("device memory reserved", observer.samples(), begin, seconds, &Sample::reserved);
  print_growth("device memory in use", observer.samples(), begin, seconds, &Sample::allocated);
  print_growth("host memory resident", observer.samples(), begin, seconds, &Sample::resident);
}
