#include "core/device/run_batch.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "core/exceptions.h"

namespace flowtts {
namespace {

using Results = std::vector<Result<AnyPayload>>;

/// Calls the stage once and appends one result a job; or says why there are none. What the stage
/// held when it threw is gone when this returns.
std::optional<Error> call_stage(const AnyStage& stage, std::span<const DeviceJob> jobs,
                                DeviceContext& device, Results& results) {
  const auto before = static_cast<std::ptrdiff_t>(results.size());
  try {
    std::vector<AnyBatchItem> items;
    items.reserve(jobs.size());
    for (const DeviceJob& job : jobs) items.push_back({job.payload, job.item});
    Results made = stage.process_batch(items, device);
    if (made.size() == jobs.size()) {
      for (auto& result : made) results.push_back(std::move(result));
    } else {
      const Error error{"wrong_result_count",
                        fmt::format("process_batch was given {} items and returned {} results: "
                                    "it returns one for each, in order",
                                    jobs.size(), made.size())};
      results.insert(results.end(), jobs.size(), error);
    }
    return std::nullopt;
  } catch (...) {
    results.erase(results.begin() + before, results.end());
    return error_from_exception();
  }
}

void run_one_by_one(const AnyStage& stage, std::span<const DeviceJob> jobs, DeviceContext& device,
                    const std::atomic<bool>& cancelled, Results& results) {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (cancelled) {
      results.emplace_back(cancelled_error());
    } else if (auto error = call_stage(stage, jobs.subspan(i, 1), device, results)) {
      results.emplace_back(*std::move(error));
    }
  }
}

}  // namespace

BatchOutcome run_batch(const AnyStage& stage, std::span<const DeviceJob> jobs,
                       DeviceContext& device, const std::atomic<bool>& cancelled) {
  const auto begin = std::chrono::steady_clock::now();
  BatchOutcome outcome;
  outcome.results.reserve(jobs.size());
  if (auto error = call_stage(stage, jobs, device, outcome.results)) {
    if (jobs.size() > 1) {
      run_one_by_one(stage, jobs, device, cancelled, outcome.results);
    } else {
      outcome.results.emplace_back(*std::move(error));
    }
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return outcome;
}

Error cancelled_error() { return Error{"cancelled", "the run was ended first"}; }

}  // namespace flowtts
