#include "stages/neural/torch/batch_check.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

#include "stages/neural/torch/device_audio.h"

namespace flowtts {
namespace {

using Sounds = std::vector<Result<VoiceSound>>;

Sounds speak(VoiceEngine& engine, const std::vector<VoiceInput>& inputs, std::size_t rows) {
  if (!engine.plans()) return engine.speak(inputs, rows);
  std::size_t longest = 0;
  for (const VoiceInput& input : inputs) longest = std::max(longest, input.tokens.size());
  const auto planned = engine.plan(inputs, std::max(rows, engine.shapes().rows(longest)));
  std::vector<const VoicePlan*> plans;
  for (const auto& plan : planned) {
    if (!plan.ok()) return {};
    plans.push_back(plan->get());
  }
  return engine.render(plans, rows);
}

bool same(const VoiceSound& a, const VoiceSound& b) {
  if (!a.on_device || !b.on_device) return a.samples == b.samples;
  return at::equal(static_cast<const TorchSamples&>(*a.on_device).tensor(),
                   static_cast<const TorchSamples&>(*b.on_device).tensor());
}

}  // namespace

bool depends_on_batch(VoiceEngine& engine, std::size_t rows) {
  constexpr std::array<std::size_t, 6> kLengths{33, 5, 20, 9, 27, 14};
  std::vector<std::vector<std::int64_t>> tokens;
  for (const std::size_t length : kLengths) {
    auto& sentence = tokens.emplace_back(length);
    // Of 0 and 1, which every model has: another one could be beyond its table, and lose the card.
    for (std::size_t i = 0; i < length; ++i) {
      sentence[i] = static_cast<std::int64_t>((i * i + length) / 3 % 2);
    }
  }
  std::vector<VoiceInput> inputs;
  for (const auto& sentence : tokens) inputs.push_back({sentence, 0, 1.0, 1});
  const std::vector<VoiceInput> backwards(inputs.rbegin(), inputs.rend());
  const Sounds together = speak(engine, inputs, rows);
  const Sounds turned = speak(engine, backwards, rows);
  if (together.size() != inputs.size() || turned.size() != inputs.size()) return false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Sounds alone = speak(engine, {inputs[i]}, rows);
    const auto& reversed = turned[inputs.size() - 1 - i];
    if (alone.size() != 1 || !alone[0].ok() || !together[i].ok() || !reversed.ok()) return false;
    if (!same(*alone[0], *together[i]) || !same(*alone[0], *reversed)) return true;
  }
  return false;
}

}  // namespace flowtts
