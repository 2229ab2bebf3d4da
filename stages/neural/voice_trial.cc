#include "stages/neural/voice_trial.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "core/exceptions.h"
#include "core/keep_for_ever.h"
#include "stages/audio/audio_gate.h"
#include "stages/audio/sound_measure.h"
#include "stages/io/hash.h"
#include "stages/neural/trial_remedies.h"
#include "stages/neural/trial_speaking.h"
#include "stages/neural/worker/host_memory.h"

namespace flowtts {
namespace {

using Clock = std::chrono::steady_clock;
using Sounds = std::vector<Result<Audio>>;

constexpr std::size_t kMostItems = 64;  // of a batch, as pipelines have it

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::uint64_t free_device_bytes(DeviceId device) {
  if (device.kind == DeviceKind::kCpu) return 0;
  for (const DeviceInfo& gpu : visible_gpus()) {
    if (gpu.id == device) return gpu.free_bytes;
  }
  return 0;
}

std::uint64_t less(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

bool same(const Audio& a, const Audio& b) {
  return a.samples.size() == b.samples.size() &&
         (a.samples.empty() ||
          std::memcmp(a.samples.data(), b.samples.data(), a.samples.size() * sizeof(float)) == 0);
}

/// "12,000 samples instead of 11,800", "samples up to 3e-05 of full scale apart".
std::string difference(const Audio& now, const Audio& before) {
  if (now.samples.size() != before.samples.size()) {
    return fmt::format("{} samples instead of {}", now.samples.size(), before.samples.size());
  }
  double most = 0;
  for (std::size_t i = 0; i < now.samples.size(); ++i) {
    most = std::max(most, std::abs(double{now.samples[i]} - double{before.samples[i]}));
  }
  return fmt::format("samples up to {:.2g} of full scale apart", most);
}

AudioBounds bounds_of(const VoiceConfig& voice) {
  AudioBounds bounds;
  if (voice.max_seconds_per_character > 0) {
    bounds.seconds_per_character = {voice.min_seconds_per_character,
                                    voice.max_seconds_per_character};
  }
  if (voice.max_seconds_per_word > 0) {
    bounds.seconds_per_word = {voice.min_seconds_per_word, voice.max_seconds_per_word};
  }
  return bounds;
}

/// Some from all over the list.
std::vector<std::int64_t> speakers_of(const VoiceConfig& voice, std::size_t most) {
  const std::size_t all = std::max<std::size_t>(1, voice.speakers.size());
  const std::size_t count = std::clamp<std::size_t>(most, 1, all);
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int64_t>(i * all / count));
  return ids;
}

/// Gathers findings of one kind under the first of them.
class Findings {
 public:
  explicit Findings(const VoiceConfig& voice) : voice_(voice) {}

  void add(bool fault, const std::string& code, std::string message) {
    for (Counted& one : all_) {
      if (one.finding.code != code || one.finding.fault != fault) continue;
      ++one.count;
      return;
    }
    std::string remedy = remedy_for(Error{code, message}, voice_);
    all_.push_back({{fault, code, std::move(message), std::move(remedy)}, 1});
  }

  void note(std::string code, std::string message, std::string remedy) {
    all_.push_back({{false, std::move(code), std::move(message), std::move(remedy)}, 1});
  }

  std::vector<VoiceFinding> take() {
    std::vector<VoiceFinding> list;
    for (Counted& one : all_) {
      if (one.count > 1) {
        one.finding.message += fmt::format(" (and {} more like it)", one.count - 1);
      }
      list.push_back(std::move(one.finding));
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const auto& a, const auto& b) { return a.fault && !b.fault; });
    return list;
  }

 private:
  struct Counted {
    VoiceFinding finding;
    std::size_t count = 0;
  };
  const VoiceConfig& voice_;
  std::vector<Counted> all_;
};

/// A voice on its device while it is tried.
class Trial {
 public:
  Trial(const VoiceConfig& voice, std::span<const TrialText> texts,
        const VoiceTrialOptions& options, VoiceEngine& engine, LaneBinding* binding,
        VoiceTrial& result)
      : voice_(voice),
        engine_(engine),
        binding_(binding),
        result_(result),
        findings_(voice),
        bounds_(bounds_of(voice)) {
    const std::vector<std::int64_t> speakers = speakers_of(voice, options.most_speakers);
    const std::size_t count = std::max(texts.size(), speakers.size());
    for (std::size_t i = 0; i < count; ++i) {
      const TrialText& text = texts[i % texts.size()];
      // As large as those of a run, which are 64 random bits.
      const std::uint64_t seed = hash64(fmt::format("trial {}", i));
      inputs_.push_back({text.tokens, speakers[i % speakers.size()], 1.0, seed, text.text});
    }
    result_.speakers = speakers.size();
    result_.sentences = count;
  }

  void run() {
    const Sounds alone = speak(/*backwards=*/false, 1);
    look_at(alone);
    double seconds = 0;
    const Sounds again = speak(/*backwards=*/true, 1, &seconds);
    result_.alone_speed = speed(again, seconds);
    repeatable_.assign(alone.size(), true);
    compare(again, alone, "not_repeatable", true, "spoken again from the same seed");
    if (engine_.max_batch() != 1) {
      const bool admitted = engine_.batch_dependent();
      compare(speak(false, kMostItems), alone, "batch_dependent", !admitted, "in a batch");
      const Sounds turned = speak(true, kMostItems, &seconds);
      result_.batch_speed = speed(turned, seconds);
      compare(turned, alone, "batch_dependent", !admitted, "in a batch of another order");
    }
    if (engine_.draws()) try_other_seed(alone);
    suggest_gate();
    if (!engine_.advice().empty()) findings_.note("advice", engine_.advice(), "");
    result_.findings = findings_.take();
  }

 private:
  /// In the order of `inputs_`, however it was spoken.
  Sounds speak(bool backwards, std::size_t most, double* seconds = nullptr) {
    std::vector<VoiceInput> inputs = inputs_;
    if (backwards) std::reverse(inputs.begin(), inputs.end());
    const auto begin = Clock::now();
    Sounds sounds = speak_trial(engine_, binding_, inputs, most, voice_.sample_rate);
    if (seconds != nullptr) *seconds = seconds_since(begin);
    if (backwards) std::reverse(sounds.begin(), sounds.end());
    return sounds;
  }

  static double speed(const Sounds& sounds, double seconds) {
    double audio = 0;
    for (const auto& sound : sounds) audio += sound.ok() ? sound->seconds() : 0;
    return seconds > 0 ? audio / seconds : 0;
  }

  std::string name(std::size_t i) const {
    const auto speaker = static_cast<std::size_t>(inputs_[i].speaker);
    return fmt::format("'{}' by {}", inputs_[i].text,
                       speaker < voice_.speakers.size() ? voice_.speakers[speaker] : "the voice");
  }

  /// Each sentence for itself, as check_audio looks at it, and whether two texts sound the same.
  void look_at(const Sounds& sounds) {
    std::vector<std::pair<std::uint64_t, std::size_t>> seen;
    for (std::size_t i = 0; i < sounds.size(); ++i) {
      if (sounds[i].is_filtered()) {
        findings_.note(sounds[i].filtered().reason,
                       fmt::format("{}: filtered as {}", name(i), sounds[i].filtered().reason),
                       "a run leaves such sentences out and counts them");
      } else if (sounds[i].is_error()) {
        add_error(i, sounds[i].error());
      } else {
        const SoundMeasure sound = look_at(i, *sounds[i]);
        for (const auto& [hash, other] : seen) {
          if (hash != sound.hash || inputs_[other].text == inputs_[i].text) continue;
          findings_.add(true, "same_audio",
                        fmt::format("{} has the same samples as {}; allowed is no two texts alike",
                                    name(i), name(other)));
        }
        seen.emplace_back(sound.hash, i);
      }
    }
    if (result_.spoken == 0) {
      findings_.note("nothing_spoken", "none of the sentences came out as audio",
                     "give others by --text");
    }
  }

  void add_error(std::size_t i, const Error& error) {
    findings_.add(true, error.code, fmt::format("{}: {}", name(i), error.message));
  }

  SoundMeasure look_at(std::size_t i, const Audio& audio) {
    const SoundMeasure sound = measure(audio);
    Speech speech;
    speech.sentence.spoken = std::string(inputs_[i].text);
    speech.cut_short = audio.speech != nullptr && audio.speech->cut_short;
    if (const auto wrong = objection_to(sound, audio.sample_rate, &speech, bounds_)) {
      add_error(i, *wrong);
    }
    const TextLength length = length_of(inputs_[i].text);
    const double seconds = audio.seconds();
    const bool first = result_.spoken++ == 0;
    const auto widen = [first](MeasuredRange& range, double value) {
      range.low = first ? value : std::min(range.low, value);
      range.high = first ? value : std::max(range.high, value);
    };
    widen(result_.seconds_per_character,
          seconds / static_cast<double>(std::max<std::uint64_t>(1, length.characters)));
    widen(result_.seconds_per_word,
          seconds / static_cast<double>(std::max<std::uint64_t>(1, length.words)));
    result_.audio_seconds += seconds;
    const double level = sound.not_finite > 0 ? 0 : std::max(-200.0, sound.level_db());
    result_.quietest_db = first ? level : std::min(result_.quietest_db, level);
    return sound;
  }

  /// \param how "in a batch"
  void compare(const Sounds& now, const Sounds& before, const std::string& code, bool fault,
               std::string_view how) {
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (!before[i].ok()) continue;
      if (now[i].is_error()) {
        add_error(i, now[i].error());
      } else if (now[i].ok() && repeatable_[i] && !same(*now[i], *before[i])) {
        repeatable_[i] = false;  // once is enough
        findings_.add(fault, code,
                      fmt::format("{}: {} it has {}; allowed is the same samples, bit for bit",
                                  name(i), how, difference(*now[i], *before[i])));
      }
    }
  }

  void try_other_seed(const Sounds& before) {
    VoiceInput other = inputs_.front();
    other.seed = ~other.seed;
    const Sounds now = speak_trial(engine_, binding_, {&other, 1}, 1, voice_.sample_rate);
    if (!now.front().ok() || !before.front().ok() || !same(*now.front(), *before.front())) return;
    findings_.note("seed_without_effect",
                   fmt::format("{}: another seed gives the same samples", name(0)),
                   "a model that draws nothing need not take a seed: without it no second take is "
                   "tried in vain");
  }

  void suggest_gate() {
    if (result_.spoken == 0 || voice_.max_seconds_per_character > 0) return;
    const MeasuredRange& seen = result_.seconds_per_character;
    findings_.note(
        "no_gate",
        "the voice file does not say how long a text may take, so that check_audio cannot see "
        "sentences that are cut off or do not end",
        fmt::format("write 'gate: {{seconds_per_character: [{:.2g}, {:.2g}]}}' into it, half and "
                    "four times of what was measured here",
                    seen.low / 2, seen.high * 4));
  }

  const VoiceConfig& voice_;
  VoiceEngine& engine_;
  LaneBinding* const binding_;
  VoiceTrial& result_;
  Findings findings_;
  const AudioBounds bounds_;
  std::vector<VoiceInput> inputs_;
  std::vector<bool> repeatable_;  ///< Not yet seen to differ.
};

Result<std::shared_ptr<VoiceEngine>> load(const VoiceConfig& voice,
                                          const VoiceTrialOptions& options) {
  VoiceOptions how;
  how.log = options.log;
  how.warn = options.warn;
  try {
    return open_voice(voice, options.device, how);
  } catch (...) {
    return error_from_exception();
  }
}

}  // namespace

bool VoiceTrial::good() const {
  return spoken > 0 && std::none_of(findings.begin(), findings.end(),
                                    [](const VoiceFinding& finding) { return finding.fault; });
}

bool VoiceTrial::lost_device() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const VoiceFinding& finding) { return finding.code == kDeviceLostCode; });
}

Result<VoiceTrial> try_voice(const VoiceConfig& voice, std::span<const TrialText> texts,
                             const VoiceTrialOptions& options) {
  const VoiceFormat* format = find_voice_format(voice.format);
  auto runtime = make_device_runtime(format ? format->runtime : "host");
  if (!runtime.ok()) return runtime.error();
  if (options.device.kind != DeviceKind::kCpu && format && format->runtime == "host") {
    return Error{"no_such_device", fmt::format("a voice of the format '{}' works on CPUs alone; "
                                               "found {}, allowed is cpu",
                                               voice.format, options.device.text())};
  }
  auto started = (*runtime)->start(options.device, {});
  if (!started.ok()) return started.error();
  VoiceTrial trial;
  trial.device = *started;
  const std::uint64_t host_before = process_memory(getpid()).now;
  const std::uint64_t device_before = free_device_bytes(options.device);
  // Before the engine, and outliving it, as on a lane's thread.
  std::unique_ptr<LaneBinding> binding = (*runtime)->bind(options.device);
  const auto begin = Clock::now();
  auto engine = load(voice, options);
  trial.load_seconds = seconds_since(begin);
  if (!engine.ok()) {
    if (is_of_the_machine(engine.error())) return engine.error();
    trial.findings.push_back(
        {true, engine.error().code, engine.error().message, remedy_for(engine.error(), voice)});
    return trial;
  }
  trial.numerics = (*engine)->numerics();
  trial.max_batch = (*engine)->max_batch();
  Trial(voice, texts, options, **engine, binding.get(), trial).run();
  if (trial.lost_device()) {  // what is there must not be asked to free itself
    keep_for_ever(*std::move(engine));
    keep_for_ever(std::move(binding));
    return trial;
  }
  (*runtime)->synchronize(options.device);
  trial.host_bytes = less(process_memory(getpid()).now, host_before) + (*engine)->host_bytes();
  trial.device_bytes = std::max((*runtime)->memory(options.device).peak,
                                less(device_before, free_device_bytes(options.device)));
  return trial;
}

}  // namespace flowtts
