#pragma once

#include <cstdint>
#include <utility>

#include <ATen/core/Tensor.h>

#include <flowtts/payloads.h>

namespace flowtts {

/// Sound in a GPU's memory: a part of a tensor, which it keeps alive. Made and used on one lane's
/// stream.
class TorchSamples final : public DeviceSamples {
 public:
  /// \param samples float32 [N], contiguous.
  explicit TorchSamples(at::Tensor samples) : samples_(std::move(samples)) {}

  std::size_t size() const override { return static_cast<std::size_t>(samples_.numel()); }
  const at::Tensor& tensor() const { return samples_; }

 private:
  at::Tensor samples_;
};

}  // namespace flowtts
