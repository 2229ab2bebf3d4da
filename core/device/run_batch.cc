#include "core/device/run_batch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/exceptions.h"

namespace flowtts {
namespace {

using Outcomes = std::vector<JobOutcome>;

template <class T>
Error wrong_count(std::string_view call, std::size_t items, const std::vector<T>& results) {
  return Error{
      "wrong_result_count",
      fmt::format("{} was given {} items and returned {} results: it returns one for each, "
                  "in order",
                  call, items, results.size())};
}

Outcomes all_fail(std::size_t count, const Error& error) {
  return Outcomes(count, JobOutcome{error, nullptr, 0});
}

std::vector<AnyBatchItem> items_of(std::span<const LaneJob> jobs) {
  std::vector<AnyBatchItem> items;
  items.reserve(jobs.size());
  for (const LaneJob& lane_job : jobs) items.push_back({lane_job.job.payload, lane_job.job.item});
  return items;
}

Outcomes prepare(const AnyStage& stage, std::span<const LaneJob> jobs, DeviceContext& device) {
  const std::vector<AnyBatchItem> items = items_of(jobs);
  auto prepared = stage.prepare_batch(items, device);
  if (prepared.size() != jobs.size()) {
    return all_fail(jobs.size(), wrong_count("prepare_batch", jobs.size(), prepared));
  }
  Outcomes outcomes;
  outcomes.reserve(jobs.size());
  for (auto& one : prepared) {
    JobOutcome outcome{AnyPayload(), nullptr, 0};
    if (one.ok()) outcome.prepared = std::move(*one);
    if (one.is_filtered()) outcome.result = one.filtered();
    if (one.is_error()) outcome.result = one.error();
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

Outcomes make(const AnyStage& stage, BatchHalf half, std::span<const LaneJob> jobs,
              DeviceContext& device) {
  std::vector<Result<AnyPayload>> made;
  if (half == BatchHalf::kSecond) {
    std::vector<AnyPreparedItem> items;
    items.reserve(jobs.size());
    for (const LaneJob& one : jobs) items.push_back({one.job.payload, one.job.item, one.prepared});
    made = stage.finish_batch(items, device);
  } else {
    made = stage.process_batch(items_of(jobs), device);
  }
  if (made.size() != jobs.size()) {
    const char* call = half == BatchHalf::kSecond ? "finish_batch" : "process_batch";
    return all_fail(jobs.size(), wrong_count(call, jobs.size(), made));
  }
  Outcomes outcomes;
  outcomes.reserve(jobs.size());
  for (auto& one : made) outcomes.push_back({std::move(one), nullptr, 0});
  return outcomes;
}

/// Lets a map go over what has come so far.
void pass_on(const AnyStage& map, std::size_t number, std::span<const LaneJob> jobs,
             DeviceContext& device, Outcomes& outcomes) {
  std::vector<AnyBatchItem> items;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!outcomes[i].result.ok()) continue;
    items.push_back({*outcomes[i].result, jobs[i].job.item});
    places.push_back(i);
  }
  if (items.empty()) return;
  auto made = map.process_batch(items, device);
  const bool complete = made.size() == items.size();
  for (std::size_t i = 0; i < places.size(); ++i) {
    JobOutcome& outcome = outcomes[places[i]];
    outcome.stage = number;
    if (complete) outcome.result = std::move(made[i]);
    if (!complete) outcome.result = wrong_count("process_batch", items.size(), made);
  }
}

void bring_home(DeviceContext& device, Outcomes& outcomes) {
  if (device.binding() == nullptr) return;
  std::vector<Result<AnyPayload>> payloads;
  payloads.reserve(outcomes.size());
  for (JobOutcome& outcome : outcomes) payloads.push_back(std::move(outcome.result));
  device.binding()->bring_home(payloads);
  for (std::size_t i = 0; i < outcomes.size(); ++i) outcomes[i].result = std::move(payloads[i]);
}

Outcomes run_step(const LoadedStage& loaded, BatchHalf half, std::span<const LaneJob> jobs,
                  DeviceContext& device) {
  if (half == BatchHalf::kFirst) return prepare(*loaded.stage, jobs, device);
  Outcomes outcomes = make(*loaded.stage, half, jobs, device);
  for (std::size_t i = 0; i < loaded.in_lane.size(); ++i) {
    pass_on(*loaded.in_lane[i], i + 1, jobs, device, outcomes);
  }
  bring_home(device, outcomes);
  return outcomes;
}

}  // namespace

std::vector<JobOutcome> run_batch(const LoadedStage& loaded, BatchHalf half,
                                  std::span<const LaneJob> jobs, std::size_t rows,
                                  DeviceContext& device, const std::atomic<bool>& cancelled) {
  device.set_rows(std::max(rows, jobs.size()));
  Error failure;
  try {
    return run_step(loaded, half, jobs, device);
  } catch (...) {
    failure = error_from_exception();
  }
  // What the stage held when it threw is gone by now.
  if (jobs.size() == 1 || failure.code == kOutOfMemoryCode) return all_fail(jobs.size(), failure);
  Outcomes outcomes;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Outcomes one = cancelled ? all_fail(1, cancelled_error())
                             : run_batch(loaded, half, jobs.subspan(i, 1), rows, device, cancelled);
    outcomes.push_back(std::move(one.front()));
  }
  return outcomes;
}

Error cancelled_error() { return Error{"cancelled", "the run was ended first"}; }

}  // namespace flowtts
