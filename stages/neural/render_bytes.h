#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stages/neural/voice_cache.h"

namespace flowtts {

/// What was measured of a voice on a card. While its render part works on a batch it takes fixed +
/// per_cell × rows × frames of the device's memory, beside the weights.
struct RenderBytes {
  double fixed = 0;              ///< Bytes.
  double per_cell = 0;           ///< Bytes for each row and frame.
  double weights = 0;            ///< Bytes that the loaded voice holds, once a device.
  double plan_per_token = 0;     ///< Bytes that a planned sentence holds for each token.
  bool batch_dependent = false;  ///< Whether a sentence's samples were seen to differ by its batch.

  std::uint64_t of(std::size_t rows, std::size_t frames) const {
    const double bytes = fixed + per_cell * static_cast<double>(rows * frames);
    return bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
  }
};

/// What was measured when the voice last was loaded; nothing where it never was. Reads a small
/// file.
std::optional<RenderBytes> known_render_bytes(const VoiceKey& key);
/// Keeps it for the next time, and for `flowtts check`. That it cannot be kept is no error.
void keep_render_bytes(const VoiceKey& key, const RenderBytes& bytes);

}  // namespace flowtts
