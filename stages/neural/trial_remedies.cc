#include "stages/neural/trial_remedies.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <flowtts/device.h>
#include <fmt/format.h>

namespace flowtts {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Tensors on two devices: PyTorch's words, and those of the check of a module as it is loaded.
bool is_about_placement(const std::string& message) {
  return contains(message, "names the device") || contains(message, "lies on") ||
         contains(message, "to be on the same device") || contains(message, "on device cuda:");
}

struct Remedy {
  std::string_view code;
  std::string_view text;
};

constexpr std::array kRemedies{
    Remedy{"bad_voice",
           "make 'inputs' and 'outputs' in the voice file and the model agree; docs/voices.md has "
           "what may stand there"},
    Remedy{"length_outside_tensor",
           "return each row's length in samples, at most the audio tensor's; where it counts "
           "frames, write 'lengths_in: frames' under 'outputs' in the voice file"},
    Remedy{"audio_too_long",
           "return each row's length in samples (not frames), and see that the model ends"},
    Remedy{"bad_model_output", "return what docs/voices.md says that the method returns"},
    Remedy{
        "rejected_not_finite",
        "look for a division by zero or half precision; 'precision: float32' in synthesize rules "
        "the latter out"},
    Remedy{"rejected_no_end", "limits: {max_words: ...} in the voice file keeps sentences short"},
    Remedy{"rejected_silence", "give samples whose full scale is 1, or int16 as int16"},
    Remedy{"rejected_clipping",
           "give samples whose full scale is 1 (not 32768), and no louder than that"},
    Remedy{
        "rejected_seconds_per_character",
        "see that sample_rate is the model's own; if the audio is right, widen gate in the voice "
        "file"},
    Remedy{
        "rejected_seconds_per_word",
        "see that sample_rate is the model's own; if the audio is right, widen gate in the voice "
        "file"},
    Remedy{"rejected_pause", "listen to it; long pauses are usually a model that lost its text"},
    Remedy{"same_audio", "see that the model gets each sentence's own text, also in a batch"},
    Remedy{"not_repeatable",
           "switch dropout off (eval), and draw only from generators that are seeded with the "
           "sentence's seed before each sentence"},
    Remedy{"batch_dependent",
           "mask what pads a shorter sentence, and draw for each sentence from its own seed; until "
           "then speak sentences alone (in synthesize 'batch: {max_items: 1}', for a worker "
           "'limits: {max_batch: 1}')"},
    Remedy{"wrong_result_count", "give one result for each sentence, in order"},
    Remedy{"worker_bad_audio", "give finite mono samples, float32 or int16, of the length said"},
    Remedy{"worker_no_audio", "give at least one sample, or raise flowtts_worker.Unspeakable()"},
    Remedy{"worker_garbage",
           "leave the protocol to workers/flowtts_worker.py; what the model prints is its own"},
    Remedy{"worker_hung", "raise item_timeout_s or start_timeout_s if it only needs longer"},
    Remedy{"worker_refused", "make the voice file and what the worker says of itself agree"},
    Remedy{"not_started",
           "the first word of 'command', or 'python', must be a program that is here"},
};

}  // namespace

std::string remedy_for(const Error& error, const VoiceConfig& voice) {
  if (is_about_placement(error.message)) {
    return "export the model anew by scripting, with devices taken from its inputs (x.device) and "
           "none written down; or speak it by a Python worker ('format: worker'), whose "
           "CUDA_VISIBLE_DEVICES holds its one card, so that cuda:0 is the right one there";
  }
  if (contains(error.message, "it is compiled for")) {
    return "a package runs on the kind of device that it was compiled for; docs/voices.md has how "
           "one is made";
  }
  const auto* const found =
      std::find_if(kRemedies.begin(), kRemedies.end(),
                   [&](const Remedy& remedy) { return remedy.code == error.code; });
  if (found != kRemedies.end()) return std::string(found->text);
  if (voice.format == "onnx") {
    return "the worker's own words above say where; docs/voices.md has what an ONNX voice's file "
           "says";
  }
  if (voice.format == "worker") {
    return "the worker's own words above say where; docs/workers.md has what it promises";
  }
  return "docs/voices.md has what a voice's file and model promise";
}

bool is_of_the_machine(const Error& error) {
  constexpr std::array<std::string_view, 5> kCodes{kOutOfMemoryCode, kDeviceLostCode,
                                                   "no_such_device", "no_sdk", "module_missing"};
  return std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end();
}

}  // namespace flowtts
