#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <flowtts/payloads.h>
#include <flowtts/result.h>

namespace flowtts {

/// What a lane's binding (DeviceContext::binding) also is where its device can resample: found by
/// dynamic_cast.
class AudioLane {
 public:
  virtual ~AudioLane() = default;

  /// Gives sounds that lie on the device another sample rate, and 16 bits where wanted; they stay
  /// there. One result a sound, in order. A sound's samples depend on it alone: they are those of
  /// `resample(PolyphaseFilter, ...)` and `quantize`. Sounds that are no sound (not finite) are told
  /// when they are brought home. Errors: "ratio_too_fine" and what keeps the device from it, fatal.
  virtual std::vector<Result<Audio>> convert(std::span<const Audio* const> sounds,
                                             std::uint32_t rate, bool pcm_16) = 0;
};

}  // namespace flowtts
