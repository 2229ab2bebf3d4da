#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/device/memory_ceiling.h"
#include "core/device/run_batch.h"

namespace flowtts {

/// A batch as memory recovery runs it, or a part of it: the jobs, and the rows of its shape.
using RunRows =
    std::function<std::vector<JobOutcome>(std::span<const LaneJob> jobs, std::size_t rows)>;

/// Runs a batch, and where it needs more memory than the device has left, gives it room: what it
/// held is dropped by then, so the device is let finish and the batch is run once more as it is,
/// since another lane may have held the memory; then what the runtime keeps for later is given back
/// and the batch is run in halves, each with half the rows, and so on; a job that does not fit with
/// a single row, tried twice, keeps the Error. The ceiling learns what did not fit.
/// \param longest padded.
/// \param counts is added to.
std::vector<JobOutcome> run_within_memory(const RunRows& run, std::span<const LaneJob> jobs,
                                          std::size_t rows, std::size_t longest,
                                          DeviceRuntime& runtime, DeviceId device,
                                          MemoryCeiling& ceiling, MemoryRecoveries& counts);

}  // namespace flowtts
