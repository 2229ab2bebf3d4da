#pragma once

#include <cstdint>
#include <filesystem>

#include "stages/neural/model_io.h"
#include "stages/neural/worker/settings.h"

namespace flowtts {

/// Reads what a voice of the format "onnx" says beside its model, and reports what is wrong:
/// `python`, `options` and the keys of processes. The result's `options` are what workers/onnx.py
/// takes, with the voice's inputs and outputs in them, and where each of these stands in the voice
/// file (`places`).
/// \param hop samples a frame, for lengths in frames.
WorkerSettings read_onnx_settings(const yaml::Node& voice, const std::filesystem::path& file,
                                  const ModelIo& io, std::uint32_t hop, Diagnostics& diagnostics);

}  // namespace flowtts
