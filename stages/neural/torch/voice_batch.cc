#include "stages/neural/torch/voice_batch.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "stages/neural/torch/device_numbers.h"
#include "stages/neural/torch/plan_store.h"

namespace flowtts {
TokenBatch make_token_batch(std::span<const VoiceInput> inputs, std::size_t rows,
                            std::int64_t token_step, at::Device device) {
  rows = std::max(rows, inputs.size());
  const auto count = static_cast<std::int64_t>(rows);
  std::int64_t longest = 1;
  for (const VoiceInput& input : inputs) {
    longest = std::max(longest, static_cast<std::int64_t>(input.tokens.size()));
  }
  longest = round_up(longest, token_step);
  DeviceNumbers numbers(count * (longest + 3), device);
  std::int64_t* tokens = numbers.data();
  std::int64_t* lengths = tokens + count * longest;
  std::int64_t* speakers = lengths + count;
  std::int64_t* seeds = speakers + count;
  std::fill(tokens, lengths, 0);
  TokenBatch batch;
  const at::Tensor speeds = host_tensor(count, at::kFloat, device);
  for (std::size_t i = 0; i < rows; ++i, tokens += longest) {
    const VoiceInput& input = inputs[std::min(i, inputs.size() - 1)];
    std::copy(input.tokens.begin(), input.tokens.end(), tokens);
    lengths[i] = static_cast<std::int64_t>(input.tokens.size());
    speakers[i] = input.speaker;
    // TorchScript has no unsigned integers: the upper bit is left out.
    seeds[i] = static_cast<std::int64_t>(input.seed >> 1);
    speeds.mutable_data_ptr<float>()[i] = static_cast<float>(input.speed);
  }
  numbers.send();
  batch.tokens = numbers.cut(0, count * longest).view({count, longest});
  batch.token_lengths = numbers.cut(count * longest, count);
  batch.speakers = numbers.cut(count * (longest + 1), count);
  batch.seeds = numbers.cut(count * (longest + 2), count);
  batch.speeds = speeds.to(device, /*non_blocking=*/true);
  return batch;
}

at::Tensor lay_out_plans(const at::Tensor& h, const at::Tensor& durations) {
  return at::cat({h.transpose(1, 2), durations.unsqueeze(2)}, 2);
}

PlanBatch make_plan_batch(std::span<const VoicePlan* const> plans, std::size_t rows,
                          std::int64_t token_step, at::Device device) {
  rows = std::max(rows, plans.size());
  const auto count = static_cast<std::int64_t>(rows);
  const auto plan_of = [&](std::size_t row) -> const TorchPlan& {
    return static_cast<const TorchPlan&>(*plans[std::min(row, plans.size() - 1)]);
  };
  std::int64_t longest = 1;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    longest = std::max(longest, plan_of(i).pages->tokens());
  }
  longest = round_up(longest, token_step);

  // Where each token of each row stands in the store; line 0 is zeros.
  DeviceNumbers numbers(count * (longest + 3), device);
  std::int64_t* line = numbers.data();
  std::int64_t* lengths = line + count * longest;
  std::int64_t* speakers = lengths + count;
  std::int64_t* frames = speakers + count;
  for (std::size_t i = 0; i < rows; ++i, line += longest) {
    const TorchPlan& plan = plan_of(i);
    const std::int64_t tokens = plan.pages->tokens();
    for (std::int64_t t = 0; t < longest; ++t) line[t] = t < tokens ? plan.pages->line(t) : 0;
    lengths[i] = tokens;
    speakers[i] = plan.speaker;
    frames[i] = static_cast<std::int64_t>(plan.frames);
  }
  numbers.send();
  // One run of rows, but where plans of a copy that has been loaded anew are still there.
  std::vector<at::Tensor> runs;
  for (std::size_t begin = 0, end = 0; begin < rows; begin = end) {
    const PlanStore& store = plan_of(begin).pages->store();
    while (end < rows && &plan_of(end).pages->store() == &store) ++end;
    const auto first = static_cast<std::int64_t>(begin) * longest;
    const auto places = static_cast<std::int64_t>(end - begin) * longest;
    runs.push_back(store.lines().index_select(0, numbers.cut(first, places)));
  }
  const std::int64_t width = runs.front().size(1);
  const at::Tensor table =
      (runs.size() == 1 ? runs.front() : at::cat(runs)).view({count, longest, width});
  PlanBatch batch;
  batch.h = table.narrow(2, 0, width - 1).transpose(1, 2).contiguous();
  batch.durations = table.select(2, width - 1).contiguous();
  batch.token_lengths = numbers.cut(count * longest, count);
  batch.speakers = numbers.cut(count * (longest + 1), count);
  batch.frame_lengths = numbers.cut(count * (longest + 2), count);
  return batch;
}

}  // namespace flowtts
