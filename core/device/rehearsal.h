#pragma once

#include <atomic>

#include "core/device/run_batch.h"
#include "core/device/stage_queue.h"

namespace flowtts {

/// Works through what a stage has for a rehearsal, on a lane's thread, with the device bound: each
/// payload as a batch of its own, of the rows that its shape has in the run, through both halves,
/// the maps that run in the lane and the way home. What libraries make at their first use (kernels
/// that are loaded late, handles, buffers) is there then before the first sentence, on each lane.
///
/// What comes of it is dropped, errors included: the first real batch meets what is wrong again,
/// and counts. Ends early where `cancelled` is set.
void rehearse(const LoadedStage& loaded, const QueuePort& port, DeviceContext& device,
              const std::atomic<bool>& cancelled);

}  // namespace flowtts
