#include "core/graph/device_runner.h"

#include <utility>

#include "core/exceptions.h"

namespace flowtts {

/// An item that is with the executor.
struct DeviceRunner::Work {
  PacketPtr packet;
  Claim claim;
  Answer answer;
};

bool DeviceRunner::submit(const PacketPtr& packet, Answer answer) {
  stage_.stats().add_received();
  auto work =
      std::make_shared<Work>(Work{packet, Claim(packet, stage_.index()), std::move(answer)});
  if (stage_.refuse_if_cancelled(work->claim)) return false;
  submit(work, 1);
  return true;
}

void DeviceRunner::submit(const std::shared_ptr<Work>& work, int attempt) {
  DeviceJob job{work->packet->payload(), stage_.item(work->claim, attempt), work->packet, {}};
  job.done = [this, work, attempt](Result<AnyPayload> result, std::size_t ended_at) {
    take_back(work, attempt, std::move(result), ended_at);
  };
  executor_.submit(number_, std::move(job));
}

void DeviceRunner::take_back(const std::shared_ptr<Work>& work, int attempt,
                             Result<AnyPayload> result, std::size_t ended_at) {
  StageRunner& last = count_in_lane(ended_at);
  if (result.is_error() && !state_.cancelled() && last.may_retry(result.error(), attempt)) {
    submit(work, attempt + 1);
    return;
  }
  if (result.is_error() &&
      last.may_retake(result.error(), work->claim)) {  // a map in the lane asks
    work->claim.take_again();
    stage_.stats().add_received();
    submit(work, 1);
    return;
  }
  PacketPtr made;
  try {
    if (result.ok()) last.stats().add_made();
    made = last.settle(std::move(work->claim), std::move(result), attempt);
  } catch (...) {  // no memory for a packet, say
    state_.fail(error_from_exception());
  }
  work->answer(std::move(made));
}

/// Counts an item through the maps that run in the lanes.
/// \return the stage where it ended: the device stage, or the map of that number behind it.
StageRunner& DeviceRunner::count_in_lane(std::size_t ended_at) {
  StageRunner* last = &stage_;
  for (std::size_t i = 0; i < ended_at; ++i) {
    last->stats().add_made();
    last = in_lane_[i];
    last->stats().add_received();
  }
  return *last;
}

}  // namespace flowtts
