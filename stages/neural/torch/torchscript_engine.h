#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "stages/neural/voice.h"

namespace flowtts {

struct TorchscriptOptions {
  /// Whether several sentences go through the model at once. By default on a GPU only: on a CPU the
  /// bits of a sentence would depend on its company.
  std::optional<bool> batched;
  /// Where batched. Larger batches gave the default voice no speed on an H200, other roundings and
  /// many times the memory.
  std::size_t max_batch = 64;
};

/// Loads a TorchScript voice straight onto a device, in float32, and checks that it is all there.
/// The device must be bound on this thread, and on each that calls `synthesize`.
///
/// The module has, by the voice's `parts`, either one method or two:
///
///     forward(tokens, token_lengths, speaker, speed) -> (audio, audio_lengths)
///
///     plan(tokens, token_lengths, speaker, speed) -> (h, durations, frame_lengths)
///     render(h, durations, token_lengths, speaker, frame_lengths, frames) -> audio
///
/// tokens int64 [B, T], token_lengths int64 [B], speaker int64 [B], speed float32 [B]; audio
/// float32 [B, N], audio_lengths int64 [B] in samples, frame_lengths int64 [B] in frames of the
/// voice's hop; `frames` [F] gives by its length how many frames to make, F >= max(frame_lengths)
/// and N >= hop F; `h` and `durations` are any tensors. The module masks what lies beyond a
/// sentence's length. `forward` or `plan` may take a fifth argument named `seed`, int64 [B], from
/// which alone it draws what is random. In a batch T is padded to a multiple of 8 and F to a
/// multiple of 32, so that the libraries' plans for a shape are found again; on a GPU B
/// is padded to a multiple of 8 with copies, and B × F bounded.
///
/// Errors of `synthesize`: "length_outside_tensor", "audio_too_long" (over 10 minutes),
/// "bad_model_output" (another type or shape than above), "model_failed" (an exception, with its
/// message), "out_of_memory" (retryable; after the batch was halved down to the one sentence),
/// "device_lost" (fatal).
Result<std::shared_ptr<VoiceEngine>> open_torchscript(const VoiceConfig& voice, DeviceId device,
                                                      TorchscriptOptions options = {});

}  // namespace flowtts
