#pragma once

#include <filesystem>

#include <flowtts/diagnostics.h>

#include "core/config/yaml_tree.h"

namespace flowtts {

/// Reads a voice file's `sha256: {FILE: HEX, ...}`, and reports digests that are none, files that
/// are not there and, where it is to read them, files that are not those that were pinned: models
/// and scripts are run, so a voice is trusted as a program is.
void check_pins(const yaml::Node& voice, const std::filesystem::path& file, bool verify,
                Diagnostics& diagnostics);

}  // namespace flowtts
