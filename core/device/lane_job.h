#pragma once

#include <chrono>
#include <cstddef>

#include "core/device/executor.h"

namespace flowtts {

/// A job as the executor's queues hold it.
struct LaneJob {
  DeviceJob job;
  std::size_t length = 0;  ///< By the stage's `length`.
  AnyPrepared prepared{};  ///< Null until its first half is done, and in a stage of one part.
  int devices_lost = 0;    ///< How many devices were lost with it on a lane.
};

}  // namespace flowtts
