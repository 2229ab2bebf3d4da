// The limit: how fast a voice speaks where nothing but the device holds it up.
//
//   oracle --input FILE [--device cuda:0] [--lanes 3] ...; without arguments that fit, the usage.
//
// The sentences of pipelines/align.yaml are made first. Then lanes (threads, bound to the device as
// a run's lanes are) go over batches without waste, in a bare loop: no graph, no queue that fills
// while it works, no files. On a GPU the sound is resampled to 22,050 Hz and made 16-bit there, and
// brought home, as in the pipeline; then it is dropped. On a CPU the loop is the model alone, one
// sentence at a time. Prints one JSON object.

#include <sys/resource.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <flowtts/json.h>
#include <flowtts/payloads.h>

#include "bench/arguments.h"
#include "bench/oracle_schedule.h"
#include "bench/spoken_sentences.h"
#include "core/device/affinity.h"
#include "core/device/devices.h"
#include "core/device/nvml.h"
#include "stages/audio/audio_lane.h"

namespace {

using namespace flowtts;
using namespace flowtts::bench;

constexpr const char* kUsage =
    "usage: oracle --input FILE [NAME VALUE]...\n"
    "  --input FILE       conversations\n"
    "  --pipeline FILE    pipelines/align.yaml\n"
    "  --voice FILE       configs/voices/default.yaml\n"
    "  --alpha SHARE      of the conversations, 1\n"
    "  --device NAME      cuda:0, cpu\n"
    "  --lanes N          4\n"
    "  --max-items N      64; the rows of a batch\n"
    "  --precision NAME   auto, float32, float16, bfloat16\n"
    "  --compiled WHEN    auto, always, never\n"
    "  --repeat N         1; how often all sentences are spoken\n"
    "  --window N         16384; sentences that are sorted together\n"
    "  --limit N          0; at most so many sentences, all where it is 0\n"
    "  --warm-up N        sentences that each lane speaks first; 4096 on a GPU, 8 on a CPU\n"
    "  --tokens FILE      writes a line for each sentence: its speaker and its tokens\n"
    "  --only-tokens 1    ends then\n"
    "  --set NAME.KEY=VALUE  changes the pipeline, as the command does\n";

constexpr std::uint32_t kRate = 22'050;

struct Sums {
  double audio_seconds = 0;
  double useful = 0;
  double padded = 0;

  void add(const Sums& more) {
    audio_seconds += more.audio_seconds;
    useful += more.useful;
    padded += more.padded;
  }
};

/// A thread's work on the device. Made and used on that thread.
class Lane {
 public:
  Lane(VoiceEngine& engine, LaneBinding& binding, std::uint32_t voice_rate)
      : engine_(engine),
        binding_(binding),
        audio_lane_(dynamic_cast<AudioLane*>(&binding)),
        voice_rate_(voice_rate) {}

  Sums work(Schedule& schedule) {
    Sums sums;
    while (auto task = schedule.take()) {
      try {
        if (task->kind == Task::Kind::kPlan) {
          plan(*task, schedule);
        } else {
          sums.add(
              {speak(*task), static_cast<double>(task->useful), static_cast<double>(task->padded)});
        }
      } catch (const std::exception& failure) {
        schedule.fail(failure.what());
      }
    }
    return sums;
  }

 private:
  template <class T>
  static T& good(Result<T>& result) {
    if (result.ok()) return *result;
    throw std::runtime_error(result.is_error() ? result.error().message : "a sound was left out");
  }

  void plan(const Task& task, Schedule& schedule) {
    auto results = engine_.plan(task.inputs, task.rows);
    std::vector<VoicePlanPtr> plans;
    for (auto& result : results) plans.push_back(good(result));
    schedule.planned(std::move(plans));
  }

  /// Returns how much audio it was, seconds.
  double speak(const Task& task) {
    std::vector<const VoicePlan*> plans;
    for (const VoicePlanPtr& plan : task.plans) plans.push_back(plan.get());
    auto sounds = task.kind == Task::Kind::kRender ? engine_.render(plans, task.rows)
                                                   : engine_.speak(task.inputs, task.rows);
    std::vector<Audio> audios;
    for (auto& sound : sounds) {
      Audio audio;
      audio.samples = std::move(good(sound).samples);
      audio.on_device = std::move(sound->on_device);
      audio.sample_rate = voice_rate_;
      audios.push_back(std::move(audio));
    }
    return bring_home(std::move(audios));
  }

  double bring_home(std::vector<Audio> audios) {
    std::vector<Result<AnyPayload>> payloads;
    if (audio_lane_ != nullptr) {
      std::vector<const Audio*> sounds;
      for (const Audio& audio : audios) sounds.push_back(&audio);
      auto converted = audio_lane_->convert(sounds, kRate, true);
      for (auto& audio : converted) payloads.emplace_back(AnyPayload::of(std::move(good(audio))));
    } else {
      for (Audio& audio : audios) payloads.emplace_back(AnyPayload::of(std::move(audio)));
    }
    binding_.bring_home(payloads);
    double seconds = 0;
    for (auto& payload : payloads) seconds += good(payload).as<Audio>()->seconds();
    return seconds;
  }

  VoiceEngine& engine_;
  LaneBinding& binding_;
  AudioLane* audio_lane_;  ///< Null on a CPU.
  const std::uint32_t voice_rate_;
};

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What was measured while the lanes worked.
struct Measured {
  Sums sums;
  double began = 0, ended = 0;  ///< Of the machine's steady clock.
  double cpu = 0;
  double active_share = -1;
  std::string numerics;
  std::string failure;
};

class Oracle {
 public:
  Oracle(const Arguments& arguments, const VoiceConfig& voice,
         const std::vector<SpokenSentence>& sentences)
      : voice_(voice), sentences_(sentences), lanes_(arguments.count("lanes")) {
    if (lanes_ < 1) arguments.refuse("--lanes is at least 1");
    const std::vector<std::string> names{arguments.text("device")};
    const auto devices = parse_devices(names, visible_gpus());
    if (!devices.ok()) give_up(devices.error().message);
    device_ = devices->front();
    options_.share.max_items = static_cast<std::size_t>(arguments.count("max-items"));
    options_.share.lanes = lanes_;
    options_.precision = arguments.text("precision");
    options_.compiled = arguments.text("compiled");
    window_ = static_cast<std::size_t>(arguments.count("window"));
    passes_ = arguments.count("repeat");
    const bool gpu = device_.kind == DeviceKind::kCuda;
    warm_up_ = gpu ? 4096 : 8;
    if (!arguments.text("warm-up").empty()) {
      warm_up_ = static_cast<std::size_t>(arguments.count("warm-up"));
    }
    if (options_.share.max_items < 1 || window_ < 1 || passes_ < 1) {
      arguments.refuse("--max-items, --window and --repeat are at least 1");
    }
  }

  Measured measure() {
    auto runtime = make_device_runtime("torch");
    if (!runtime.ok()) give_up(runtime.error().message);
    runtime_ = *runtime;
    const auto started = runtime_->start(device_, {});
    if (!started.ok()) give_up(started.error().message);
    open();
    timed_ = std::make_unique<Schedule>(sentences_, *engine_, options_.share.max_items, window_,
                                        passes_);
    std::barrier gate(lanes_, [this]() noexcept { state_ == 0 ? begin() : end(); });
    std::vector<std::thread> threads;
    for (int i = 0; i < lanes_; ++i) {
      threads.emplace_back([&] { lane(gate); });
    }
    watch();
    for (std::thread& thread : threads) thread.join();
    measured_.failure = timed_->failure();
    return measured_;
  }

  DeviceMemory memory() const { return runtime_->memory(device_); }

 private:
  void open() {
    std::thread opener([this] {
      const auto binding = runtime_->bind(device_);
      auto engine = open_voice(voice_, device_, options_);
      if (!engine.ok()) give_up(engine.error().message);
      engine_ = *engine;
    });
    opener.join();
    measured_.numerics = engine_->numerics();
  }

  template <class Gate>
  void lane(Gate& gate) {
    keep_thread_near(device_);
    const auto binding = runtime_->bind(device_);
    Lane lane(*engine_, *binding, voice_.sample_rate);
    const auto first = std::span(sentences_).first(std::min(warm_up_, sentences_.size()));
    Schedule warm_up(first, *engine_, options_.share.max_items, window_, 1);
    lane.work(warm_up);
    if (!warm_up.failure().empty()) timed_->fail(warm_up.failure());
    gate.arrive_and_wait();
    const Sums sums = lane.work(*timed_);
    {
      const std::lock_guard lock(mutex_);
      measured_.sums.add(sums);
    }
    gate.arrive_and_wait();
  }

  void begin() {
    measured_.began = now();
    measured_.cpu = -cpu_seconds();
    state_ = 1;
  }
  void end() {
    measured_.ended = now();
    measured_.cpu += cpu_seconds();
    state_ = 2;
  }

  /// How busy the card is while the lanes work.
  void watch() {
    const std::vector<DeviceId> devices{device_};
    GpuActivity activity(devices);
    double next = 0;
    while (state_ < 2) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (state_ == 0) next = now() + 0.5;
      if (state_ != 1 || now() < next) continue;
      activity.sample();
      next += 0.5;
    }
    measured_.active_share = activity.share(device_);
  }

  const VoiceConfig& voice_;
  const std::vector<SpokenSentence>& sentences_;
  const int lanes_;
  DeviceId device_;
  VoiceOptions options_;
  std::size_t window_ = 0;
  std::size_t warm_up_ = 0;
  int passes_ = 1;
  std::shared_ptr<DeviceRuntime> runtime_;
  std::shared_ptr<VoiceEngine> engine_;
  std::unique_ptr<Schedule> timed_;
  std::mutex mutex_;
  Measured measured_;
  std::atomic<int> state_ = 0;  ///< 1: the lanes are being timed; 2: they have been.
};

void write_tokens(const std::string& file, const std::vector<SpokenSentence>& sentences) {
  std::ofstream out(file);
  for (const SpokenSentence& sentence : sentences) {
    out << sentence.speaker;
    for (const std::int64_t token : sentence.tokens) out << ' ' << token;
    out << '\n';
  }
  if (!out.flush()) give_up(file + ": cannot be written");
}

void print(const Arguments& arguments, std::size_t sentences, const Measured& measured,
           const DeviceMemory& memory) {
  const double seconds = measured.ended - measured.began;
  JsonWriter json;
  json.begin_object()
      .field("audio_seconds", measured.sums.audio_seconds)
      .field("seconds", seconds)
      .field("speed", measured.sums.audio_seconds / seconds)
      .field("sentences", sentences)
      .field("repeat", arguments.count("repeat"))
      .field("device", arguments.text("device"))
      .field("lanes", arguments.count("lanes"))
      .field("max_items", arguments.count("max-items"))
      .field("numerics", measured.numerics)
      .field("useful_share", measured.sums.useful / measured.sums.padded)
      .field("peak_device_bytes", memory.peak)
      .field("cpu_seconds", measured.cpu)
      .field("began", measured.began)
      .field("ended", measured.ended);
  if (measured.active_share >= 0) json.field("active_share", measured.active_share);
  json.end_object();
  std::printf("%s\n", std::string(json.text()).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kUsage,
                            {{"input", ""},
                             {"pipeline", "pipelines/align.yaml"},
                             {"voice", "configs/voices/default.yaml"},
                             {"alpha", "1"},
                             {"device", visible_gpus().empty() ? "cpu" : "cuda:0"},
                             {"lanes", "4"},
                             {"max-items", "64"},
                             {"precision", "auto"},
                             {"compiled", "auto"},
                             {"repeat", "1"},
                             {"window", "16384"},
                             {"limit", "0"},
                             {"warm-up", ""},
                             {"tokens", ""},
                             {"only-tokens", "0"}});
  if (arguments.text("input").empty()) arguments.refuse("--input is missing");
  const auto voice = read_voice(arguments.text("voice"), /*hash=*/true);
  if (!voice.ok()) give_up(voice.error().message);
  std::vector<std::string> sets{"vars.input=" + arguments.text("input"),
                                "vars.voice=" + arguments.text("voice"),
                                "sample.alpha=" + arguments.text("alpha")};
  sets.insert(sets.end(), arguments.sets().begin(), arguments.sets().end());
  auto sentences = sentences_of(arguments.text("pipeline"), *voice, sets);
  const auto limit = static_cast<std::size_t>(arguments.count("limit"));
  if (limit > 0 && sentences.size() > limit) sentences.resize(limit);
  if (sentences.empty()) give_up("there is no sentence in the input");
  if (!arguments.text("tokens").empty()) write_tokens(arguments.text("tokens"), sentences);
  if (arguments.count("only-tokens") > 0) return 0;

  Oracle oracle(arguments, *voice, sentences);
  const Measured measured = oracle.measure();
  if (!measured.failure.empty()) give_up(measured.failure);
  print(arguments, sentences.size(), measured, oracle.memory());
}
