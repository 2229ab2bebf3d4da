#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <flowtts/payloads.h>
#include <flowtts/result.h>

#include "stages/audio/polyphase.h"
#include "stages/neural/cuda/cuda_module.h"
#include "stages/neural/torch/pinned_buffers.h"

namespace flowtts {

/// Sound in a GPU's memory: a part of a tensor, which it keeps alive. Made and used on one lane's
/// stream.
class TorchSamples final : public DeviceSamples {
 public:
  /// \param samples [N], contiguous: float32, or int16 where `stats` tell of its conversion.
  /// \param stats   the bytes of a RowStats; undefined where nothing was converted.
  explicit TorchSamples(at::Tensor samples, at::Tensor stats = {})
      : samples_(std::move(samples)), stats_(std::move(stats)) {}

  std::size_t size() const override { return static_cast<std::size_t>(samples_.numel()); }
  const at::Tensor& tensor() const { return samples_; }
  const at::Tensor& stats() const { return stats_; }
  bool is_pcm() const { return samples_.scalar_type() == at::kShort; }

 private:
  at::Tensor samples_;
  at::Tensor stats_;
};

/// Resamples and converts sound on a lane's GPU; a lane has one. On the lane's thread.
class SoundConverter {
 public:
  explicit SoundConverter(at::Device device) : device_(device) {}

  /// As AudioLane::convert.
  std::vector<Result<Audio>> convert(std::span<const Audio* const> sounds, std::uint32_t rate,
                                     bool pcm_16);

 private:
  struct Way {
    PolyphaseFilter filter;
    const AudioConverter* converter = nullptr;
  };
  Result<Way> find(std::uint32_t from, std::uint32_t to, bool pcm_16);

  const at::Device device_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, bool>, Way> ways_;
};

/// Brings sounds home through pinned host memory, in one copy. 16-bit sounds stay where they land;
/// where too many still do, and for floats, they are copied from there. On the lane's thread.
class SoundCarrier {
 public:
  explicit SoundCarrier(at::Device device) : device_(device) {}

  /// As LaneBinding::bring_home; payloads that hold no sound on a device stay as they are.
  void bring_home(std::span<Result<AnyPayload>> payloads);

  /// Waits for the current stream. Throws where the device is lost.
  void wait() const;

  /// Keeps the pinned memory for the life of the process: it cannot be given back to a device that
  /// is lost.
  void abandon();

 private:
  at::Tensor passing(std::int64_t bytes);

  const at::Device device_;
  PinnedBuffers buffers_;
  at::Tensor passing_;  ///< For what is copied on. Grows as needed.
};

}  // namespace flowtts
