#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "core/device/executor.h"

namespace flowtts {

/// What a batch gave, and how long the stage worked on it.
struct BatchOutcome {
  std::vector<Result<AnyPayload>> results;  ///< One a job, in order, whatever happened.
  double seconds = 0;
};

/// Runs one batch on a lane's thread. Nothing that the stage does leaves it but as a result: an
/// exception is an Error of the batch, and a batch of several jobs is then run again job by job, so
/// that one bad job fails alone; a wrong number of results is an Error of each job.
/// \param cancelled ends running again job by job: what has not had its turn gives "cancelled".
BatchOutcome run_batch(const AnyStage& stage, std::span<const DeviceJob> jobs,
                       DeviceContext& device, const std::atomic<bool>& cancelled);

/// What a job gives that was not begun.
Error cancelled_error();

}  // namespace flowtts
