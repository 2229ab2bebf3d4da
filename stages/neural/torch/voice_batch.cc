#include "stages/neural/torch/voice_batch.h"

#include <algorithm>

#include <torch/script.h>

namespace flowtts {
namespace {

/// A tensor of the host that goes to a device. Pinned where that is a GPU: the copy would otherwise
/// wait for all that the lane's stream has to do before it.
at::Tensor host_tensor(std::int64_t count, at::ScalarType type, at::Device device) {
  return at::empty({count}, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
}

/// A host tensor of whole numbers that travels to the device in one copy and is cut up there.
class Numbers {
 public:
  Numbers(std::int64_t count, at::Device device)
      : device_(device), host_(host_tensor(count, at::kLong, device)) {}

  std::int64_t* data() { return host_.mutable_data_ptr<std::int64_t>(); }
  void send() { there_ = host_.to(device_, /*non_blocking=*/true); }
  at::Tensor cut(std::int64_t begin, std::int64_t count) const {
    return there_.narrow(0, begin, count);
  }

 private:
  const at::Device device_;
  at::Tensor host_, there_;
};

}  // namespace

TokenBatch make_token_batch(std::span<const VoiceInput> inputs, std::size_t rows,
                            std::int64_t token_step, at::Device device) {
  rows = std::max(rows, inputs.size());
  const auto count = static_cast<std::int64_t>(rows);
  std::int64_t longest = 1;
  for (const VoiceInput& input : inputs) {
    longest = std::max(longest, static_cast<std::int64_t>(input.tokens.size()));
  }
  longest = round_up(longest, token_step);
  Numbers numbers(count * (longest + 3), device);
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
  std::vector<at::Tensor> tables;
  tables.reserve(plans.size() + 1);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    tables.push_back(plan_of(i).table);
    longest = std::max(longest, plan_of(i).tokens());
  }
  longest = round_up(longest, token_step);
  const std::int64_t width = tables.front().size(1);
  tables.push_back(at::zeros({1, width}, tables.front().options()));

  // Where each token of each row stands in the tables one below the other; the last line is zeros.
  Numbers numbers(count * (longest + 3), device);
  std::int64_t* place = numbers.data();
  std::int64_t* lengths = place + count * longest;
  std::int64_t* speakers = lengths + count;
  std::int64_t* frames = speakers + count;
  std::int64_t zeros = 0;
  for (std::size_t i = 0; i < plans.size(); ++i) zeros += plan_of(i).tokens();
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < rows; ++i, place += longest) {
    const TorchPlan& plan = plan_of(i);
    for (std::int64_t t = 0; t < longest; ++t) place[t] = t < plan.tokens() ? begin + t : zeros;
    if (i + 1 < plans.size()) begin += plan.tokens();  // further rows are the last one again
    lengths[i] = plan.tokens();
    speakers[i] = plan.speaker;
    frames[i] = static_cast<std::int64_t>(plan.frames);
  }
  numbers.send();
  const at::Tensor table = at::cat(tables)
                               .index_select(0, numbers.cut(0, count * longest))
                               .view({count, longest, width});
  PlanBatch batch;
  batch.h = table.narrow(2, 0, width - 1).transpose(1, 2).contiguous();
  batch.durations = table.select(2, width - 1).contiguous();
  batch.token_lengths = numbers.cut(count * longest, count);
  batch.speakers = numbers.cut(count * (longest + 1), count);
  batch.frame_lengths = numbers.cut(count * (longest + 2), count);
  return batch;
}

}  // namespace flowtts
