#include "stages/neural/trial_speaking.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "core/exceptions.h"

namespace flowtts {
namespace {

using Places = std::vector<std::size_t>;
using Sounds = std::vector<Result<VoiceSound>>;

/// What shares a batch, and the rows that it has.
struct TrialBatch {
  Places places;
  std::size_t rows = 1;
};

/// \param lengths by place; 0: not to be spoken.
std::vector<TrialBatch> batches_of(const std::vector<std::size_t>& lengths,
                                   const BatchShapes& shapes, std::size_t most) {
  std::map<std::size_t, Places> classes;  // by rows: falling rows tell classes apart
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] > 0) classes[shapes.rows(lengths[i])].push_back(i);
  }
  std::vector<TrialBatch> batches;
  for (const auto& [rows, places] : classes) {
    const std::size_t count = rows > 0 ? std::min(rows, most) : most;
    for (std::size_t begin = 0; begin < places.size(); begin += count) {
      const auto first = places.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto last =
          places.begin() + static_cast<std::ptrdiff_t>(std::min(begin + count, places.size()));
      TrialBatch batch{Places(first, last), rows};
      if (rows == 0) batch.rows = batch.places.size();
      batches.push_back(std::move(batch));
    }
  }
  return batches;
}

template <class T, class Call>
std::vector<Result<T>> answers(std::string_view name, std::size_t count, const Call& call) {
  try {
    std::vector<Result<T>> made = call();
    if (made.size() == count) return made;
    return std::vector<Result<T>>(
        count, Error{"wrong_result_count",
                     fmt::format("{} was given {} sentences and returned {} results; allowed is "
                                 "one for each, in order",
                                 name, count, made.size())});
  } catch (...) {
    return std::vector<Result<T>>(count, error_from_exception());
  }
}

Sounds speak_in_one(VoiceEngine& engine, std::span<const VoiceInput> inputs, std::size_t most) {
  std::vector<std::size_t> lengths;
  for (const VoiceInput& input : inputs) lengths.push_back(input.tokens.size());
  Sounds sounds(inputs.size(), Error{"empty_input", "there are no tokens to speak"});
  for (const TrialBatch& batch : batches_of(lengths, engine.shapes(), most)) {
    std::vector<VoiceInput> some;
    for (const std::size_t place : batch.places) some.push_back(inputs[place]);
    auto made =
        answers<VoiceSound>("speak", some.size(), [&] { return engine.speak(some, batch.rows); });
    for (std::size_t i = 0; i < made.size(); ++i) sounds[batch.places[i]] = std::move(made[i]);
  }
  return sounds;
}

Sounds speak_in_two(VoiceEngine& engine, std::span<const VoiceInput> inputs, std::size_t most) {
  std::vector<std::size_t> lengths;
  for (const VoiceInput& input : inputs) lengths.push_back(input.tokens.size());
  Sounds sounds(inputs.size(), Error{"empty_input", "there are no tokens to speak"});
  std::vector<VoicePlanPtr> plans(inputs.size());
  std::vector<std::size_t> frames(inputs.size());
  for (const TrialBatch& batch : batches_of(lengths, engine.shapes(), most)) {
    std::vector<VoiceInput> some;
    for (const std::size_t place : batch.places) some.push_back(inputs[place]);
    const auto made =
        answers<VoicePlanPtr>("plan", some.size(), [&] { return engine.plan(some, batch.rows); });
    for (std::size_t i = 0; i < made.size(); ++i) {
      const std::size_t place = batch.places[i];
      if (made[i].is_filtered()) sounds[place] = made[i].filtered();
      if (made[i].is_error()) sounds[place] = made[i].error();
      if (!made[i].ok()) continue;
      plans[place] = *made[i];
      frames[place] = plans[place]->frames;
    }
  }
  for (const TrialBatch& batch : batches_of(frames, engine.render_shapes(), most)) {
    std::vector<const VoicePlan*> some;
    for (const std::size_t place : batch.places) some.push_back(plans[place].get());
    auto made =
        answers<VoiceSound>("render", some.size(), [&] { return engine.render(some, batch.rows); });
    for (std::size_t i = 0; i < made.size(); ++i) sounds[batch.places[i]] = std::move(made[i]);
  }
  return sounds;
}

}  // namespace

std::vector<Result<Audio>> speak_trial(VoiceEngine& engine, LaneBinding* binding,
                                       std::span<const VoiceInput> inputs, std::size_t most,
                                       std::uint32_t sample_rate) {
  const std::size_t limit = engine.max_batch();
  most = std::max<std::size_t>(1, limit > 0 ? std::min(most, limit) : most);
  Sounds sounds =
      engine.plans() ? speak_in_two(engine, inputs, most) : speak_in_one(engine, inputs, most);
  std::vector<Result<AnyPayload>> home;
  for (Result<VoiceSound>& sound : sounds) {
    if (sound.is_filtered()) home.emplace_back(sound.filtered());
    if (sound.is_error()) home.emplace_back(sound.error());
    if (!sound.ok()) continue;
    Speech speech;
    speech.cut_short = sound->cut_short;
    Audio audio;
    audio.samples = std::move(sound->samples);
    audio.on_device = std::move(sound->on_device);
    audio.sample_rate = sample_rate;
    audio.speech = std::make_shared<const Speech>(std::move(speech));
    home.emplace_back(AnyPayload::of(std::move(audio)));
  }
  sounds.clear();
  if (binding != nullptr) {
    try {
      binding->bring_home(home);
    } catch (...) {
      home.assign(home.size(), error_from_exception());
    }
  }
  std::vector<Result<Audio>> all;
  for (const Result<AnyPayload>& one : home) {
    if (one.is_filtered()) all.emplace_back(one.filtered());
    if (one.is_error()) all.emplace_back(one.error());
    if (one.ok()) all.emplace_back(*one->as<Audio>());
  }
  return all;
}

}  // namespace flowtts
