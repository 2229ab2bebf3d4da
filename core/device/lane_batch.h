#pragma once

#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/device/batch_queue.h"
#include "core/device/lane_job.h"

namespace flowtts {

/// A batch while it is on a lane, in two parts. What the stage's call sees is the lane's own, down
/// to the record's key, and stays where it is until the call returns, if it ever does. The jobs
/// with their `done` are taken by whoever comes first, the lane when the call has returned or the
/// watchdog when it does not: so each job is done once, and its record lets go of its credits,
/// while the call may still be looking at what it was given.
///
/// The lane's thread makes and destroys it; `jobs` is guarded by the lanes' mutex.
class LaneBatch {
 public:
  explicit LaneBatch(Batch batch)
      : length(batch.length),
        longest(batch.longest),
        rows(batch.rows),
        waited_s(batch.waited_s),
        count(batch.jobs.size()),
        first_record(batch.jobs.front().job.item.record.id),
        jobs(std::move(batch.jobs)) {
    seen_.reserve(count);
    for (const LaneJob& one : jobs) {
      const Item& item = one.job.item;
      const Name& name = names_.emplace_back(Name{item.record, item.path});
      seen_.push_back({DeviceJob{one.job.payload,
                                 Item{name.record, name.path, item.run_seed, item.attempt},
                                 nullptr,
                                 {}},
                       one.length, one.prepared, one.devices_lost});
    }
  }
  LaneBatch(const LaneBatch&) = delete;
  LaneBatch& operator=(const LaneBatch&) = delete;

  std::span<const LaneJob> seen() const { return seen_; }
  /// The call has returned: what it saw goes, so that it is not there any longer than its credits.
  void drop_seen() { seen_.clear(); }

  const std::size_t length;
  const std::size_t longest;  ///< Padded.
  const std::size_t rows;
  const double waited_s;
  const std::size_t count;
  const std::string first_record;
  std::vector<LaneJob> jobs;

 private:
  struct Name {
    RecordKey record;
    std::vector<std::uint32_t> path;
  };
  std::deque<Name> names_;
  std::vector<LaneJob> seen_;
};

}  // namespace flowtts
