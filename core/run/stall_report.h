#pragma once

#include <string>

#include "core/device/executor.h"
#include "core/run/run_state.h"

namespace flowtts {

/// Where everything in the graph stands, a line a stage in the order of the file, each beginning
/// with a line break: what the reader waits for, how many items wait before a stage and are in it,
/// and of a device stage how each device's lanes stand. What is full and what is empty tells what
/// a run that does not move waits for.
/// \param executor null where the pipeline has no device stage.
std::string stall_report(const RunState& state, const DeviceExecutor* executor);

}  // namespace flowtts
