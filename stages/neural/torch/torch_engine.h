#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "stages/neural/voice.h"

namespace flowtts {

struct TorchOptions {
  VoiceOptions voice;
  /// Whether several sentences go through the model at once. By default on a GPU only: on a CPU the
  /// bits of a sentence would depend on its company.
  std::optional<bool> batched = std::nullopt;
};

/// Loads a TorchScript voice straight onto a device, in float32, and checks that it is all there.
/// The device must be bound on this thread, and on each that calls the engine.
///
/// The module has, by the voice's `parts`, either one method or two:
///
///     forward(tokens, token_lengths, speaker, speed) -> (audio, audio_lengths)
///
///     plan(tokens, token_lengths, speaker, speed) -> (h, durations, frame_lengths)
///     render(h, durations, token_lengths, speaker, frame_lengths, frames) -> audio
///
/// tokens int64 [B, T], token_lengths int64 [B], speaker int64 [B], speed float32 [B]; audio
/// float32 [B, N] or [B, 1, N], audio_lengths int64 [B] in samples, frame_lengths int64 [B] in
/// frames of the voice's hop; `frames` [F] gives by its length how many frames to make, F >=
/// max(frame_lengths) and N >= hop F; h float32 [B, C, T] and durations float32 [B, T], of which
/// what lies beyond a sentence's tokens is replaced by zeros before they are rendered. The module
/// masks what lies beyond a sentence's length. `forward` or `plan` may take a fifth argument named
/// `seed`, int64 [B], from which alone it draws what is random.
///
/// The voice's `inputs` name what `forward` or `plan` takes instead (ModelArguments), its `outputs`
/// what `forward` returns (OutputChoice); lengths may then be in frames, or missing: rows are sound
/// to their end then, and sentences are spoken one at a time, as they are where the model takes one
/// value for a batch that sentences differ in.
///
/// In a batch T is padded to a multiple of 8, and of 32 for `render`, F to a multiple of 8, so that
/// the libraries' plans for a shape are found again. On a GPU every batch of a class of lengths has
/// the same number of rows, which is smaller for longer sentences: rows × frames are bounded by the
/// memory that the device can spare, and by what a kernel takes without another choice of
/// algorithm, which would round otherwise.
///
/// Where a package is there that `flowtts voice compile` has made for this card, it takes the place
/// of `render`, in the precision that it was compiled in.
///
/// Errors of the calls: "length_outside_tensor", "audio_too_long" (over 10 minutes),
/// "bad_model_output" (another type or shape than above), "model_failed" (an exception, with its
/// message), and those of VoiceEngine.
Result<std::shared_ptr<VoiceEngine>> open_torchscript(const VoiceConfig& voice, DeviceId device,
                                                      TorchOptions options = {});

/// The same of an AOTInductor package (.pt2): its model "model" is `forward`, or those of its
/// models that `parts` names are `plan` and `render`. The package's inputs have names where it was
/// exported with keyword arguments, and places in any case; its outputs have names where it returns
/// a dict. What it computes in is what it was compiled in.
///
/// Compiled code reads its inputs without a look at their types. So a sentence is spoken first with
/// AOTInductor's own check of them, and the Error "voice_not_loaded" says what it was given where
/// that fails.
Result<std::shared_ptr<VoiceEngine>> open_aoti(const VoiceConfig& voice, DeviceId device,
                                               TorchOptions options = {});

}  // namespace flowtts
