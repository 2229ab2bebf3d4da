#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/device/batch_queue.h"

namespace flowtts {

/// What a device wants of its stage's queue. Set before its lanes first ask.
struct QueuePort {
  std::size_t device = 0;      ///< Its number among the stage's devices.
  bool prepares = false;       ///< Whether its jobs come in two halves.
  BatchLimits limits;          ///< Of the first half, or the only one.
  BatchLimits second;          ///< Of the second half.
  std::size_t look_ahead = 0;  ///< Prepared jobs from which on the second half goes first.
};

/// A device stage's one queue, from which all lanes of all its devices pull, and for each device
/// the jobs that it has prepared. For any thread.
class StageQueue {
 public:
  StageQueue(const BatchPolicy& policy, std::size_t devices);

  /// False where the queue is closed: the job then stays the caller's. Never blocks.
  bool push(LaneJob& job);

  /// Waits for a batch; its jobs are prepared or none of them is. Nothing once the queue is closed
  /// or the device given up.
  ///
  /// Prepared jobs are finished as soon as `look_ahead` of them wait, or no batch of new ones is
  /// full: the more wait, the better they fit beside one another.
  std::optional<Batch> take(const QueuePort& port);

  /// Prepared jobs come back, to be finished on that device. False where the queue is closed: the
  /// jobs then stay the caller's. Where the device has been given up they are to be prepared anew.
  bool push_prepared(std::size_t device, std::vector<std::pair<std::size_t, LaneJob>>& jobs);

  /// Jobs come back that a lane has hung with: each goes alone, before all others; one that is
  /// prepared on its device, the others on any. Each with its length, as it is queued by. False
  /// where the queue is closed: the jobs then stay the caller's.
  bool push_alone(std::size_t device, std::vector<std::pair<std::size_t, LaneJob>>& jobs);

  /// The device takes no more: what it prepared is to be prepared anew.
  /// \return whether other devices are left.
  bool give_up(std::size_t device);

  /// From now on no job waits for company.
  void flush();

  /// Nothing else will be read: the longest jobs go first.
  void longest_first();

  /// Ends all waiting; returns the jobs that nobody has taken.
  std::vector<LaneJob> close();

  std::size_t size() const;
  /// Of them, what the device has prepared.
  std::size_t prepared(std::size_t device) const;

 private:
  struct Alone {
    std::size_t length;
    BatchQueue::Time arrival;
    LaneJob job;
  };
  struct Device {
    explicit Device(BatchQueue queue) : prepared(std::move(queue)) {}
    BatchQueue prepared;
    std::deque<Alone> prepared_alone;
    bool lost = false;
  };

  static Batch take_alone(std::deque<Alone>& from, const BatchLimits& limits, BatchQueue::Time now);
  std::optional<Batch> choose(const QueuePort& port, BatchQueue::Time now);
  void push_again(LaneJob job);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  BatchQueue waiting_for_first_;
  std::deque<Alone> alone_;
  std::vector<Device> devices_;
  std::vector<BatchLimits> asked_;  ///< Of the devices whose lanes have asked so far.
  std::size_t waiting_ = 0;         ///< Lanes.
  bool flushed_ = false;
  bool closed_ = false;
};

}  // namespace flowtts
