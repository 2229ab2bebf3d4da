#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "stages/neural/voice.h"

namespace flowtts {

inline std::int64_t round_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

/// Sentences as a module's first method takes them; see open_torchscript for the shapes. Rows
/// beyond the sentences hold copies of the last one, whose audio nobody takes.
struct TokenBatch {
  at::Tensor tokens, token_lengths, speakers, speeds, seeds;

  std::size_t rows() const { return static_cast<std::size_t>(tokens.size(0)); }
};

/// \param token_step what the padded length is a multiple of.
TokenBatch make_token_batch(std::span<const VoiceInput> inputs, std::size_t rows,
                            std::int64_t token_step, at::Device device);

/// What `plan` made of a sentence, cut out of its batch.
struct TorchPlan final : VoicePlan {
  at::Tensor table;  ///< [tokens, C + 1]: h transposed, and beside it the durations.
  std::int64_t speaker = 0;

  std::int64_t tokens() const { return table.size(0); }
};

/// Plans of many batches as `render` takes them.
struct PlanBatch {
  at::Tensor h, durations, token_lengths, speakers, frame_lengths;
};

/// Lays h [B, C, T] and durations [B, T] beside one another, a row a token: [B, T, C + 1].
at::Tensor lay_out_plans(const at::Tensor& h, const at::Tensor& durations);

/// Puts plans together again, with zeros beyond their lengths.
PlanBatch make_plan_batch(std::span<const VoicePlan* const> plans, std::size_t rows,
                          std::int64_t token_step, at::Device device);

}  // namespace flowtts
