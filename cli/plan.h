#pragma once

#include <string>

#include <flowtts/pipeline.h>

namespace flowtts::cli {

/// What a run of the pipeline would do: its stages, where they run, and the bounds of memory.
std::string plan_text(const Pipeline& pipeline, bool colour);

/// "cpu:0", "cuda:0-3", "cuda:0, cuda:2"
std::string list_devices(const std::vector<DeviceId>& devices);

}  // namespace flowtts::cli
