#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include <flowtts/run.h>

#include "core/graph/credits.h"
#include "core/graph/record.h"
#include "core/run/stage_stats.h"

namespace flowtts {

class OutputFolder;

/// How often each ending was. Thread-safe.
class EndingCounts {
 public:
  void add(Ending ending) { of(ending).fetch_add(1, std::memory_order_relaxed); }
  /// Without `read`.
  Ledger ledger() const {
    return {0, of(Ending::kWritten), of(Ending::kFiltered), of(Ending::kFailed),
            of(Ending::kCancelled)};
  }

 private:
  using Count = std::atomic<std::uint64_t>;
  Count& of(Ending ending) { return counts_[static_cast<std::size_t>(ending)]; }
  const Count& of(Ending ending) const { return counts_[static_cast<std::size_t>(ending)]; }

  std::array<Count, 4> counts_{};  ///< By the number of the ending.
};

/// What all threads of a run share: counters, the ways to end it, the observer. Thread-safe.
class RunState final {
 public:
  RunState(const Pipeline& pipeline, const RunOptions& options, OutputFolder* folder);

  const Pipeline& pipeline() const { return pipeline_; }
  const RunSettings& settings() const { return pipeline_.settings(); }
  Credits& credits() { return credits_; }
  StageStats& stats(std::size_t stage) { return stats_[stage]; }
  const StageStats& stats(std::size_t stage) const { return stats_[stage]; }

  /// No more reading; what has been read is finished.
  void stop_reading() { reading_.request_stop(); }
  std::stop_token reading() const { return reading_.get_token(); }

  /// Nothing new is begun; what waits ends as cancelled.
  void cancel() { cancelled_.store(true); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  /// The run cannot go on. The first reason is kept; stops reading and cancels.
  void fail(const Error& error);
  std::optional<Error> fatal() const;

  void message(MessageLevel level, const std::string& text);
  /// Into the log alone.
  void log(const std::string& text);
  void progress(const RunProgress& progress);

  void record_read() { records_read_.fetch_add(1, std::memory_order_relaxed); }
  void record_not_kept(std::size_t stage);
  void record_settled(const Record& record, Ending status);
  void add_media(double seconds);
  void items_made(std::int64_t count) { items_made_.fetch_add(count, std::memory_order_relaxed); }

  /// Counts the end of an item; a failed one is written to the dead-letter file.
  void item_ended(const Packet& packet, const std::string& stage, Ending ending,
                  const Result<bool>& outcome, int attempts);
  /// The same where there is no packet: the record's own payload could not be made.
  void record_not_made(const Record& record, const std::string& stage, Ending ending,
                       const Result<bool>& outcome);
  /// A gather that failed: the record fails, the items have been counted.
  void gather_failed(const Packet& trigger, const std::string& stage, const Error& error,
                     int attempts);

  RunProgress snapshot(double input_share) const;
  /// The counters as they stand, with everything but status, error and times.
  RunReport report() const;
  double seconds() const { return seconds_since(start_); }

 private:
  void count_item(Ending ending, const Result<bool>& outcome);
  void dead_letter(const Record& record, const std::vector<std::uint32_t>& path,
                   const AnyPayload& payload, const std::string& stage, const Error& error,
                   int attempts);
  std::vector<StageReport> stage_reports() const;

  const Pipeline& pipeline_;
  RunObserver* const observer_;
  OutputFolder* const folder_;  ///< Null in a run without an output folder.
  Credits credits_;
  std::deque<StageStats> stats_;
  const Clock::time_point start_ = Clock::now();

  std::stop_source reading_;
  std::atomic<bool> cancelled_{false};

  std::atomic<std::uint64_t> records_read_{0};
  std::atomic<std::int64_t> items_made_{0};
  EndingCounts records_;
  EndingCounts items_;

  mutable std::mutex mutex_;
  std::optional<Error> fatal_;
  std::map<std::string, std::uint64_t> filtered_items_;
  std::map<std::string, std::uint64_t> failed_items_;
  double media_seconds_ = 0;

  std::mutex observer_mutex_;
};

}  // namespace flowtts
