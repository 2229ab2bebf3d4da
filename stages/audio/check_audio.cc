#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "stages/audio/audio_gate.h"
#include "stages/audio/same_audio.h"
#include "stages/audio/sound_measure.h"
#include "stages/neural/voice.h"
#include "stages/neural/voice_checks.h"

namespace flowtts {
namespace {

/// Lets audio pass that is plausible speech of its sentence.
struct CheckAudio final : Filter<Audio> {
  std::filesystem::path voice;
  std::string action = "reject";
  double min_level_db = AudioBounds().min_level_db;
  double max_clipped = AudioBounds().max_clipped;
  double max_pause_s = AudioBounds().max_pause_s;
  std::optional<double> min_seconds_per_character;
  std::optional<double> max_seconds_per_character;
  std::optional<double> min_seconds_per_word;
  std::optional<double> max_seconds_per_word;

  static void describe(Spec<CheckAudio>& spec) {
    spec.name("check_audio")
        .summary("Rejects audio that cannot be speech of its sentence.")
        .doc(
            "What is rejected is spoken anew, `run.on_error.retakes` times, where the voice draws "
            "random numbers, so that another take differs; otherwise, and after the last take, it "
            "fails with one of these errors, whose message has the measure and its bounds:\n\n"
            "- `rejected_not_finite`: NaN or infinite samples. (Sound that has been given 16 bits "
            "has none; `resample` sees to that.)\n"
            "- `rejected_no_end`: the model came to its limit before it came to an end.\n"
            "- `rejected_silence`: the level of the whole take is below `min_level_db`.\n"
            "- `rejected_clipping`: more than `max_clipped` of the samples are beyond full scale.\n"
            "- `rejected_seconds_per_character`, `rejected_seconds_per_word`: too long or too "
            "short for the text, by the voice's `gate`, at any speed.\n"
            "- `rejected_pause`: more than `max_pause_s` between two sounds.\n\n"
            "Audio that was not synthesized is looked at as sound only.\n\n"
            "It also looks for the same samples for different texts, as the model read them, in "
            "the "
            "whole run, among up to 524,288 sentences (in 40 MB; of more, among a fixed share). "
            "Which of two alike comes first is chance, and nothing tells whose the sound is. So "
            "none "
            "is rejected by itself, which would make the output depend on the order of the work: "
            "each is a warning `same_audio` in the log, and with `action: reject` a run that had "
            "any "
            "ends with status 3 and names the records. A resumed run compares what it makes "
            "itself.")
        .param(
            "voice", &CheckAudio::voice,
            "The voice file whose `gate` says how long a text may take. Without, only the bounds "
            "given here.")
        .neutral()
        .example("configs/voices/default.yaml")
        .param("action", &CheckAudio::action,
               "What happens to audio that is found wrong: `reject`, or `warn`, which lets it pass "
               "and counts it under `warned_items` in run.json.")
        .one_of({"reject", "warn"})
        .param("min_level_db", &CheckAudio::min_level_db,
               "The lowest level of a whole take, root of the mean square, full scale being 0.")
        .range(-120, 0)
        .unit("decibels")
        .param("max_clipped", &CheckAudio::max_clipped,
               "The largest share of samples beyond full scale.")
        .range(0, 1)
        .param("max_pause_s", &CheckAudio::max_pause_s,
               "The longest pause inside, at speed 1: 40 dB and more below the loudest.")
        .range(0, 3600)
        .unit("seconds")
        .param("min_seconds_per_character", &CheckAudio::min_seconds_per_character,
               "Instead of the voice's lower bound, at speed 1.")
        .range(0, 60)
        .unit("seconds")
        .param("max_seconds_per_character", &CheckAudio::max_seconds_per_character,
               "Instead of the voice's upper bound.")
        .range(0, 60)
        .unit("seconds")
        .param("min_seconds_per_word", &CheckAudio::min_seconds_per_word,
               "Instead of the voice's lower bound, at speed 1.")
        .range(0, 600)
        .unit("seconds")
        .param("max_seconds_per_word", &CheckAudio::max_seconds_per_word,
               "Instead of the voice's upper bound.")
        .range(0, 600)
        .unit("seconds")
        .may_retake();
  }

  /// Of the voice's file, whose gate decides.
  std::string content() const {
    if (voice.empty()) return {};
    const Result<VoiceConfig> config = read_voice(voice, /*hash=*/true);
    return config.ok() ? config->hash : std::string();
  }

  void check(Checker& checker) const {
    VoiceConfig config;
    if (!voice.empty()) {
      const std::optional<VoiceConfig> read = check_voice(voice, checker);
      if (!read) return;
      config = *read;
    }
    const AudioBounds bounds = bounds_of(config);
    const auto order = [&](const char* what, const PlausibleRange& range) {
      if (range.low <= range.high) return;
      checker.error(fmt::format("max_seconds_per_{}", what),
                    fmt::format("{} s is below the lower bound, {} s", range.high, range.low));
    };
    order("character", bounds.seconds_per_character);
    order("word", bounds.seconds_per_word);
  }

  std::optional<Error> open(const RunContext& context) {
    VoiceConfig config;
    if (!voice.empty()) {
      Result<VoiceConfig> read = read_voice(voice, /*hash=*/false);
      if (!read.ok()) return read.error();
      config = std::move(read).value();
    }
    bounds_ = bounds_of(config);
    doubt_ = context.doubt;
    undo_ = context.undo;
    same_ = std::make_shared<SameAudio>();
    return std::nullopt;
  }

  /// Tells what only the run as a whole shows.
  std::optional<Error> close() {
    const SameAudio::Found found = same_->found();
    same_.reset();
    if (found.sentences == 0) return std::nullopt;
    const std::string message = fmt::format(
        "{} sentences have the same audio as another text, in records {} of the input; the voice "
        "mixes sentences up, and these are not to be trusted",
        found.sentences, found.records);
    if (doubt_) doubt_("same_audio", message, found.sentences);
    if (action == "warn") return std::nullopt;
    // Otherwise a second call would find everything done, and nothing wrong.
    for (const std::uint64_t record : found.witnesses) {
      if (undo_) undo_(record);
    }
    return Error{"same_audio", message};
  }

  Result<Passed> process(const Audio& audio, const Item& item) const {
    const SoundMeasure sound = measure(audio);
    auto wrong = objection_to(sound, audio.sample_rate, audio.speech.get(), bounds_);
    if (wrong && action == "reject") {
      // A voice that draws nothing would say the same again.
      wrong->retake = audio.speech != nullptr && audio.speech->seeded;
      return *std::move(wrong);
    }
    if (wrong) doubt(wrong->code, item, wrong->message, 1);
    if (audio.speech == nullptr) return Passed{};
    // Told at once, counted at the end: how often a second one comes depends on the order.
    if (const auto other = same_->add(sound.hash, audio.speech->tokens_hash, item.record.index)) {
      doubt("same_audio", item,
            fmt::format("the same samples as of a different text in record #{}", *other), 0);
    }
    return Passed{};
  }

 private:
  void doubt(const std::string& code, const Item& item, const std::string& message,
             std::uint64_t items) const {
    if (!doubt_) return;
    doubt_(code, fmt::format("record {} (#{}): {}", item.record.id, item.record.index, message),
           items);
  }

  AudioBounds bounds_of(const VoiceConfig& config) const {
    AudioBounds bounds;
    bounds.min_level_db = min_level_db;
    bounds.max_clipped = max_clipped;
    bounds.max_pause_s = max_pause_s;
    const auto set = [](PlausibleRange& range, double low, double high,
                        const std::optional<double>& own_low,
                        const std::optional<double>& own_high) {
      if (high > 0) range = {low, high};  // otherwise the voice does not say
      range.low = own_low.value_or(range.low);
      range.high = own_high.value_or(range.high);
    };
    set(bounds.seconds_per_character, config.min_seconds_per_character,
        config.max_seconds_per_character, min_seconds_per_character, max_seconds_per_character);
    set(bounds.seconds_per_word, config.min_seconds_per_word, config.max_seconds_per_word,
        min_seconds_per_word, max_seconds_per_word);
    return bounds;
  }

  AudioBounds bounds_;
  decltype(RunContext::doubt) doubt_;
  decltype(RunContext::undo) undo_;
  std::shared_ptr<SameAudio> same_;
};

FLOWTTS_STAGE(CheckAudio)

}  // namespace
}  // namespace flowtts
