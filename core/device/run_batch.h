#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "core/device/lane_job.h"

namespace flowtts {

/// A device stage as it is loaded on a device, with the maps that run in its lanes.
struct LoadedStage {
  std::shared_ptr<const AnyStage> stage;
  std::vector<std::shared_ptr<const AnyStage>> in_lane;
};

enum class BatchHalf { kWhole, kFirst, kSecond };

/// What a lane's step made of a job.
struct JobOutcome {
  Result<AnyPayload> result;  ///< After a first half that went well an empty payload.
  AnyPrepared prepared;       ///< After a first half that went well; otherwise null.
  std::size_t stage = 0;      ///< Where it ended: 0 the device stage, n the n-th map in its lane.
};

/// Runs a batch, or one half of it, on a lane's thread, with the maps that run in the lane behind
/// the second half. Nothing that a stage does leaves it but as a result: an exception is an Error
/// of the batch, and a batch of several jobs is then run again job by job, so that one bad job
/// fails alone (except where memory ran out, which is the whole batch's fault); a wrong number of
/// results is an Error of each job. \param rows of the batch's shape, for the stage. \param
/// cancelled ends running again job by job: what has not had its turn gives "cancelled". \return
/// one outcome a job, in order, whatever happened.
std::vector<JobOutcome> run_batch(const LoadedStage& loaded, BatchHalf half,
                                  std::span<const LaneJob> jobs, std::size_t rows,
                                  DeviceContext& device, const std::atomic<bool>& cancelled);

/// What a job gives that was not begun.
Error cancelled_error();

}  // namespace flowtts
