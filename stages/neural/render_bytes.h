#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stages/neural/voice_cache.h"

namespace flowtts {

/// What a voice's render part takes of a device's memory while it works on a batch, beside the
/// weights: fixed + per_cell × rows × frames, as it was measured.
struct RenderBytes {
  double fixed = 0;     ///< Bytes.
  double per_cell = 0;  ///< Bytes for each row and frame.
  double weights = 0;   ///< Bytes that the loaded voice holds, once a device.

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
