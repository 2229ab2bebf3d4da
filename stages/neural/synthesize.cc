#include <flowtts/stage.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <flowtts/payloads.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/config/params.h"
#include "stages/io/hash.h"
#include "stages/neural/speakers.h"
#include "stages/neural/voice.h"
#include "stages/neural/voice_checks.h"
#include "stages/neural/voice_on_card.h"
#include "stages/neural/worker/host_memory.h"

namespace flowtts {
namespace {

// What the device memory is estimated from. The default voice took 1.6 GB for 128 sentences of 640
// frames of 160 samples in float32; flite's voices speak a token in 0.07 to 0.1 s.
constexpr double kDeviceBytesPerSample = 122;
constexpr double kSecondsPerToken = 0.1;
constexpr double kUsualMaxTokens = 400;

// A character of a sentence is there as text, as what is spoken of it, and as a token of 8 bytes.
constexpr double kBytesPerCharacter = 10;

struct Synthesize final : DeviceStage<Phonemes, Audio> {
  std::filesystem::path voice;
  std::vector<std::string> speaker{"random"};
  double speed = 1.0;
  std::string precision = "auto";
  std::string compiled = "auto";

  static void describe(Spec<Synthesize>& spec) {
    spec.name("synthesize")
        .summary("Speaks sentences with a neural voice, on GPUs or the CPU.")
        .doc(
            "The speaker is drawn for each turn from the run's seed, the record and the turn's "
            "number, so that all sentences of a turn have one speaker and a run can be repeated. "
            "A voice that draws random numbers draws them for each sentence, and other ones for "
            "each take of it that a stage behind asks for. "
            "A sentence sounds the same whatever else is in its batch; between CPU and GPU samples "
            "differ slightly. On a CPU the default voice takes each sentence as a batch of its "
            "own.\n\n"
            "The voice `configs/voices/tones.yaml` needs no model, no LibTorch and no GPU: it "
            "plays "
            "a tone for each sound of the sentence, thousands of sentences a second. With it a "
            "pipeline, a disk and settings are tried out before the real voice is there.")
        .param("voice", &Synthesize::voice, "The voice file.")
        .required()
        .neutral()
        .example("configs/voices/default.yaml")
        .param(
            "speaker", &Synthesize::speaker,
            "Who speaks: a name, a list of names to draw from, or `random` for all of the voice's "
            "speakers.")
        .example("[slt, rms]")
        .param("speed", &Synthesize::speed, "How fast; 1 is the voice's own pace, 2 twice as fast.")
        .range(0.5, 2.0)
        .param("precision", &Synthesize::precision,
               "What a voice's render part computes in. `auto` is what it has been compiled in for "
               "the card, or else float32; others than float32 need a compiled voice.")
        .one_of({"auto", "float32", "float16", "bfloat16"})
        .neutral()
        .param("compiled", &Synthesize::compiled,
               "Whether the package is used that `flowtts voice compile` has made of the voice for "
               "the card: where it is there, always (without it the run does not start), or never.")
        .one_of({"auto", "always", "never"})
        .neutral()
        .runtime("torch");
  }

  void check(Checker& checker) const {
    const std::optional<VoiceConfig> config = check_voice(voice, checker);
    if (!config) return;
    const auto speakers = choose_speakers(*config, speaker);
    if (!speakers.ok()) {
      checker.error("speaker", speakers.error().message);
      return;
    }
    std::vector<std::string> names;
    for (const std::int64_t id : *speakers) {
      names.push_back(config->speakers[static_cast<std::size_t>(id)]);
    }
    checker.note(fmt::format("voice {} ({}), {} Hz, {}: {}", config->name, config->format,
                             config->sample_rate, names.size() == 1 ? "speaker" : "speakers",
                             fmt::join(names, ", ")));
    if (runtime() == "worker") note_workers(*config, checker);
    // What a worker's processes take of a device is theirs.
    if (config->model.empty() || runtime() == "worker") return;
    // Weights may be stored in half precision and are used in single.
    std::error_code ignored;
    checker.device_bytes(2 * std::filesystem::file_size(config->model, ignored),
                         bytes_each_item(*config));
    if (runtime() != "host" && !visible_gpus().empty()) {
      const Result<VoiceConfig> hashed = read_voice(voice, /*hash=*/true);
      if (hashed.ok()) note_voice_on_card(*hashed, precision, compiled, checker);
    }
  }

  std::optional<Error> open(const RunContext& run) {
    Result<VoiceConfig> config = read_voice(voice, /*hash=*/true);
    if (!config.ok()) return config.error();
    auto speakers = choose_speakers(*config, speaker);
    if (!speakers.ok()) return speakers.error();
    config_ = std::make_shared<const VoiceConfig>(std::move(config).value());
    speakers_ = std::move(speakers).value();
    log_ = run.log;
    warn_ = run.warn;
    return std::nullopt;
  }

  /// What `precision` and `compiled` come to is told by `numerics`.
  std::string content() const {
    const Result<VoiceConfig> config = read_voice(voice, /*hash=*/true);
    return config.ok() ? config->hash : std::string();
  }

  /// The gate's lower bound is that of the quickest long word: prose takes up to twice, a record as
  /// a whole hardly ever three times as long.
  double growth() const {
    constexpr double kLongerThanQuickest = 3;
    const Result<VoiceConfig> config = read_voice(voice, /*hash=*/false);
    if (!config.ok() || config->max_seconds_per_character <= 0) return 1000;
    const double seconds = std::min(config->max_seconds_per_character,
                                    kLongerThanQuickest * config->min_seconds_per_character) /
                           speed;
    return seconds * config->sample_rate * sizeof(float) / kBytesPerCharacter;
  }

  std::optional<Error> load(DeviceContext& device) {
    auto engine =
        open_voice(*config_, device.device(), {device.share(), precision, compiled, log_, warn_});
    if (!engine.ok()) return engine.error();
    engine_ = std::move(engine).value();
    return std::nullopt;
  }

  /// LibTorch's, or what else the voice's format needs.
  std::string runtime() const {
    const Result<VoiceConfig> config = read_voice(voice, /*hash=*/false);
    const VoiceFormat* format = config.ok() ? find_voice_format(config->format) : nullptr;
    return format ? format->runtime : "torch";
  }

  std::size_t length(const Phonemes& phonemes) const { return phonemes.tokens.size(); }

  std::size_t max_batch(DeviceId device) const {
    if (engine_) return engine_->max_batch();
    return device.kind == DeviceKind::kCpu ? 1 : 0;
  }

  std::string numerics() const { return engine_ ? engine_->numerics() : ""; }
  std::string advice() const { return engine_ ? engine_->advice() : ""; }
  BatchShapes shapes() const { return engine_ ? engine_->shapes() : BatchShapes{}; }

  std::vector<Result<Audio>> process_batch(std::span<const BatchItem<Phonemes>> items,
                                           DeviceContext& device) const {
    return make_audio(items, engine_->speak(inputs_of(items), device.rows()));
  }

  // In two halves, where the voice is in two parts and worked on in batches.

  using Prepared = VoicePlanPtr;
  bool prepares() const { return engine_ && engine_->plans(); }
  std::size_t prepared_length(const VoicePlanPtr& plan) const { return plan->frames; }
  std::size_t look_ahead() const { return engine_ ? engine_->look_ahead() : 0; }
  BatchShapes prepared_shapes() const { return engine_ ? engine_->render_shapes() : BatchShapes{}; }

  std::vector<Result<VoicePlanPtr>> prepare_batch(std::span<const BatchItem<Phonemes>> items,
                                                  DeviceContext& device) const {
    return engine_->plan(inputs_of(items), device.rows());
  }

  std::vector<Result<Audio>> finish_batch(
      std::span<const PreparedItem<Phonemes, VoicePlanPtr>> items, DeviceContext& device) const {
    std::vector<const VoicePlan*> plans;
    plans.reserve(items.size());
    for (const auto& item : items) plans.push_back(item.prepared.get());
    return make_audio(items, engine_->render(plans, device.rows()));
  }

 private:
  static std::uint64_t hash_of(const std::vector<std::int64_t>& tokens) {
    return hash64({reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof tokens[0]});
  }

  VoiceInput input_of(const Phonemes& phonemes, const Item& item) const {
    const Sentence& sentence = phonemes.sentence;
    const std::uint64_t place = std::uint64_t{sentence.turn} << 32U | sentence.index;
    // Another take is spoken by the same speaker from another seed.
    const std::string purpose =
        item.take == 1 ? "synthesis" : fmt::format("synthesis, take {}", item.take);
    return {phonemes.tokens, draw_speaker(speakers_, item, sentence.turn), speed,
            item.draw(purpose, place), sentence.spoken};
  }

  std::vector<VoiceInput> inputs_of(std::span<const BatchItem<Phonemes>> items) const {
    std::vector<VoiceInput> inputs;
    inputs.reserve(items.size());
    for (const auto& [phonemes, item] : items) inputs.push_back(input_of(phonemes, item));
    return inputs;
  }

  template <class Items>
  std::vector<Result<Audio>> make_audio(const Items& items,
                                        std::vector<Result<VoiceSound>> sounds) const {
    std::vector<Result<Audio>> results;
    results.reserve(items.size());
    for (std::size_t i = 0; i < sounds.size(); ++i) {
      if (sounds[i].is_filtered()) {
        results.emplace_back(sounds[i].filtered());
        continue;
      }
      if (!sounds[i].ok()) {
        results.emplace_back(sounds[i].error());
        continue;
      }
      const VoiceInput input = input_of(items[i].payload, items[i].item);
      Speech speech;
      speech.sentence = items[i].payload.sentence;
      speech.speaker = config_->speakers[static_cast<std::size_t>(input.speaker)];
      speech.seed = input.seed;
      speech.voice = config_->label();
      speech.batch_dependent = engine_->batch_dependent();
      speech.speed = speed;
      speech.take = items[i].item.take;
      speech.seeded = engine_->draws();
      speech.cut_short = sounds[i]->cut_short;
      speech.tokens_hash = hash_of(items[i].payload.tokens);
      Audio audio;
      audio.samples = std::move(sounds[i]->samples);
      audio.on_device = std::move(sounds[i]->on_device);
      audio.sample_rate = config_->sample_rate;
      audio.speech = std::make_shared<const Speech>(std::move(speech));
      results.emplace_back(std::move(audio));
    }
    return results;
  }

  static void note_workers(const VoiceConfig& config, Checker& checker) {
    const std::uint64_t memory = config.worker.memory;
    const std::optional<std::uint64_t> free = HostMemory::global().free();
    checker.note(fmt::format(
        "a process for each lane: {}{}", fmt::join(config.worker.command, " "),
        memory > 0 ? fmt::format(", {} of host memory each", byte_size_text(memory)) : ""));
    if (memory > 0 && free && memory > *free) {
      checker.warning("voice", fmt::format("a worker takes {} of host memory, and {} are free",
                                           byte_size_text(memory), byte_size_text(*free)));
    }
  }

  /// The working memory of the longest sentence.
  std::uint64_t bytes_each_item(const VoiceConfig& config) const {
    const double tokens =
        config.max_tokens > 0 ? static_cast<double>(config.max_tokens) : kUsualMaxTokens;
    const double samples = tokens * kSecondsPerToken / speed * config.sample_rate;
    return static_cast<std::uint64_t>(samples * kDeviceBytesPerSample);
  }

  std::shared_ptr<const VoiceConfig> config_;
  std::vector<std::int64_t> speakers_;
  RunContext::Words log_;
  RunContext::Words warn_;
  std::shared_ptr<VoiceEngine> engine_;
};

FLOWTTS_STAGE(Synthesize)

}  // namespace
}  // namespace flowtts
