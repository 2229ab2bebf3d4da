#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

#include "core/device/batch_queue.h"

namespace flowtts {

/// A device stage's one queue, from which all lanes of all its devices pull. For any thread.
class StageQueue {
 public:
  explicit StageQueue(const BatchPolicy& policy);

  /// False where the queue is closed: the job then stays the caller's. Never blocks.
  bool push(std::size_t length, DeviceJob& job);

  /// Waits for a batch. Nothing once the queue is closed.
  std::optional<Batch> take(const BatchLimits& limits);

  /// From now on no job waits for company.
  void flush();

  /// Ends all waiting; returns the jobs that nobody has taken.
  std::vector<DeviceJob> close();

  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  BatchQueue queue_;
  BatchLimits smallest_;  ///< Of the lanes that have asked so far: what may be a full batch to one.
  std::size_t waiting_ = 0;
  bool flushed_ = false;
  bool closed_ = false;
};

}  // namespace flowtts
