#include "core/device/rehearsal.h"

#include <exception>
#include <span>
#include <utility>
#include <vector>

namespace flowtts {
namespace {

void rehearse_one(const LoadedStage& loaded, const QueuePort& port, AnyPayload payload,
                  DeviceContext& device, const std::atomic<bool>& cancelled) {
  const RecordKey record{"rehearsal"};
  const std::vector<std::uint32_t> path;
  LaneJob job{DeviceJob{std::move(payload), Item{record, path}, nullptr, {}}};
  job.length = loaded.stage->length(job.job.payload);
  const auto run = [&](BatchHalf half, const BatchLimits& limits, std::size_t length) {
    auto outcomes =
        run_batch(loaded, half, std::span(&job, 1), limits.fixed().rows(length), device, cancelled);
    return std::move(outcomes.front().prepared);
  };
  if (!port.prepares) {
    run(BatchHalf::kWhole, port.limits, job.length);
    return;
  }
  job.prepared = run(BatchHalf::kFirst, port.limits, job.length);
  if (!job.prepared || cancelled) return;
  run(BatchHalf::kSecond, port.second, loaded.stage->prepared_length(job.prepared));
}

}  // namespace

void rehearse(const LoadedStage& loaded, const QueuePort& port, DeviceContext& device,
              const std::atomic<bool>& cancelled) {
  try {
    for (AnyPayload& payload : loaded.stage->rehearsal()) {
      if (cancelled) return;
      rehearse_one(loaded, port, std::move(payload), device, cancelled);
    }
  } catch (const std::exception&) {
    // No memory, say: the run finds out, and says so.
  }
}

}  // namespace flowtts
