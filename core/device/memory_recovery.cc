#include "core/device/memory_recovery.h"

#include <algorithm>
#include <utility>

namespace flowtts {
namespace {

bool ran_out(const JobOutcome& outcome) {
  return outcome.result.is_error() && outcome.result.error().code == kOutOfMemoryCode;
}

/// One batch and the ways to get it through.
class Recovery {
 public:
  Recovery(const RunRows& run, std::span<const LaneJob> jobs, std::size_t longest,
           DeviceRuntime& runtime, DeviceId device, MemoryCeiling& ceiling,
           MemoryRecoveries& counts)
      : run_(run),
        jobs_(jobs),
        longest_(longest),
        runtime_(runtime),
        device_(device),
        ceiling_(ceiling),
        counts_(counts) {}

  std::vector<JobOutcome> go(std::size_t rows) {
    outcomes_ = run_(jobs_, rows);
    if (std::none_of(outcomes_.begin(), outcomes_.end(), ran_out)) {
      ceiling_.went_well(rows * longest_);
      return std::move(outcomes_);
    }
    ++counts_.out_of_memory;
    runtime_.synchronize(device_);
    ++counts_.retried;
    again(0, jobs_.size(), rows);
    if (std::any_of(outcomes_.begin(), outcomes_.end(), ran_out)) reduce(0, jobs_.size(), rows);
    counts_.failed +=
        static_cast<std::uint64_t>(std::count_if(outcomes_.begin(), outcomes_.end(), ran_out));
    return std::move(outcomes_);
  }

 private:
  /// Runs the jobs of [begin, end) once more, where one of them ran out of memory.
  void again(std::size_t begin, std::size_t end, std::size_t rows) {
    auto first = outcomes_.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = outcomes_.begin() + static_cast<std::ptrdiff_t>(end);
    if (std::none_of(first, last, ran_out)) return;
    // Those that went well keep their outcome: nothing is made twice.
    for (; first != last;) {
      if (!ran_out(*first)) {
        ++first;
        continue;
      }
      const auto stop = std::find_if_not(first, last, ran_out);
      const auto place = static_cast<std::size_t>(first - outcomes_.begin());
      const auto count = static_cast<std::size_t>(stop - first);
      auto made = run_(jobs_.subspan(place, count), rows);
      std::move(made.begin(), made.end(), first);
      first = stop;
    }
  }

  /// With less at a time.
  void reduce(std::size_t begin, std::size_t end, std::size_t rows) {
    ceiling_.too_large(rows * longest_);
    runtime_.release_cached(device_);
    if (rows <= 1) {
      again(begin, end, rows);
      return;
    }
    ++counts_.halved;
    const std::size_t fewer = rows / 2;
    for (std::size_t from = begin; from < end; from += fewer) {
      const std::size_t to = std::min(end, from + fewer);
      again(from, to, fewer);
      const auto first = outcomes_.begin() + static_cast<std::ptrdiff_t>(from);
      const auto last = outcomes_.begin() + static_cast<std::ptrdiff_t>(to);
      if (std::any_of(first, last, ran_out)) reduce(from, to, fewer);
    }
  }

  const RunRows& run_;
  const std::span<const LaneJob> jobs_;
  const std::size_t longest_;
  DeviceRuntime& runtime_;
  const DeviceId device_;
  MemoryCeiling& ceiling_;
  MemoryRecoveries& counts_;
  std::vector<JobOutcome> outcomes_;
};

}  // namespace

std::vector<JobOutcome> run_within_memory(const RunRows& run, std::span<const LaneJob> jobs,
                                          std::size_t rows, std::size_t longest,
                                          DeviceRuntime& runtime, DeviceId device,
                                          MemoryCeiling& ceiling, MemoryRecoveries& counts) {
  return Recovery(run, jobs, longest, runtime, device, ceiling, counts).go(rows);
}

}  // namespace flowtts
