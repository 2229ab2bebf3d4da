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
#include "core/run/done_records.h"
#include "core/run/stage_stats.h"

namespace flowtts {

class Committer;
class OutputFolder;

/// A payload as JSON, for a person to read. "null" where it cannot be written, which is no reason
/// to lose what stands beside it.
std::string payload_json(const AnyPayload& payload);

/// How often each ending was. Thread-safe.
class EndingCounts {
 public:
  void add(Ending ending, std::uint64_t times = 1) {
    of(ending).fetch_add(times, std::memory_order_relaxed);
  }
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
///
/// Where a stage's call does not come back, this outlives the run: see `abandon`.
class RunState final {
 public:
  RunState(const Pipeline& pipeline, const RunOptions& options, OutputFolder* folder);

  const Pipeline& pipeline() const { return pipeline_; }
  const RunSettings& settings() const { return settings_; }
  Credits& credits() { return credits_; }
  const Credits& credits() const { return credits_; }
  StageStats& stats(std::size_t stage) { return stats_[stage]; }
  const StageStats& stats(std::size_t stage) const { return stats_[stage]; }

  /// No more reading; what has been read is finished.
  void stop_reading() { reading_.request_stop(); }
  std::stop_token reading() const { return reading_.get_token(); }

  /// The user wants an end: stops reading. Heard at once, whoever looks first.
  void interrupt() {
    interrupted_.store(true);
    stop_reading();
  }
  bool interrupted() const { return interrupted_.load(); }

  /// Nothing new is begun; what waits ends as cancelled.
  void cancel() { cancelled_.store(true); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  /// The run cannot go on. The first reason is kept; stops reading and cancels.
  void fail(const Error& error);
  std::optional<Error> fatal() const;

  /// Whether a record belongs to what the run is about.
  bool is_wanted(const RecordKey& key) const {
    return only_record_.empty() || key.id == only_record_ ||
           std::to_string(key.index) == only_record_;
  }
  /// Tells, where that is wanted, what a stage made of an item.
  void trace(const std::string& stage, const Packet& packet, int attempt, const std::string& what);
  bool traces() const { return traces_; }

  /// The run is over for those who wait for it, though threads are still in stages' calls. Whatever
  /// they bring later is not told, written or counted.
  void abandon() { abandoned_.store(true); }
  bool abandoned() const { return abandoned_.load(); }
  /// From now on neither observer nor output folder is used.
  void let_go();

  void message(MessageLevel level, const std::string& text);
  /// Into the log alone.
  void log(const std::string& text);
  void progress(const RunProgress& progress);

  /// Where settled records go to become done; null where nothing is kept. Before the first record.
  void set_committer(Committer* committer) { committer_ = committer; }

  void record_read() { records_read_.fetch_add(1, std::memory_order_relaxed); }
  void record_not_kept(std::size_t stage);
  void record_settled(const Record& record, Ending status);
  /// A record that an earlier session of the run has done: counted as it ended there.
  void record_done_before(const DoneRecord& record);
  void add_media(Record& record, double seconds);
  void items_made(std::int64_t count) { items_made_.fetch_add(count, std::memory_order_relaxed); }

  /// Counts the end of an item; a failed one is written to the dead-letter file.
  void item_ended(const Packet& packet, const std::string& stage, Ending ending,
                  const Result<bool>& outcome, int attempts, int takes = 1);
  /// An item goes back for another take: it has not ended.
  void item_retaken(const std::string& code);
  /// What a stage has to say of an item that goes on; the first of each code is a message.
  void items_warned(const std::string& code, const std::string& message, std::uint64_t items);
  /// An end where there is no packet: the record's own payload could not be made.
  void record_not_made(Record& record, const std::string& stage, Ending ending,
                       const Result<bool>& outcome);
  /// A gather that failed: the record fails, the items have been counted.
  void gather_failed(const Packet& trigger, const std::string& stage, const Error& error,
                     int attempts);

  RunProgress snapshot(double input_share) const;
  /// The counters as they stand, with everything but status, error and times. What an abandoned run
  /// did not get to the end of is unfinished.
  RunReport report() const;
  double seconds() const { return seconds_since(start_); }

 private:
  void count_item(Record& record, Ending ending, const Result<bool>& outcome);
  void dead_letter(const Record& record, const std::vector<std::uint32_t>& path,
                   const AnyPayload& payload, const std::string& stage, const Error& error,
                   int attempts, int takes = 1);
  std::vector<StageReport> stage_reports() const;

  const Pipeline& pipeline_;
  const RunSettings settings_;  ///< A copy: what comes late asks for it.
  RunObserver* observer_;       ///< Guarded by `observer_mutex_`.
  const std::string only_record_;
  const bool traces_;
  OutputFolder* const folder_;  ///< Null in a run without an output folder.
  Committer* committer_ = nullptr;
  Credits credits_;
  std::deque<StageStats> stats_;
  const Clock::time_point start_ = Clock::now();

  std::stop_source reading_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> abandoned_{false};

  // What the reader counts, and what the graph's threads count, a cache line each.
  alignas(64) std::atomic<std::uint64_t> records_read_{0};
  std::atomic<std::uint64_t> records_done_before_{0};
  std::atomic<std::int64_t> items_made_{0};
  alignas(64) EndingCounts records_;
  EndingCounts items_;

  alignas(64) mutable std::mutex mutex_;
  std::optional<Error> fatal_;
  std::map<std::string, std::uint64_t> filtered_items_;
  std::map<std::string, std::uint64_t> failed_items_;
  std::map<std::string, std::uint64_t> retaken_items_;
  std::map<std::string, std::uint64_t> warned_items_;
  double media_seconds_ = 0;

  std::mutex observer_mutex_;

  struct Interrupt {
    RunState* state;
    void operator()() const { state->interrupt(); }
  };
  std::stop_callback<Interrupt> on_stop_;  ///< Last: it may be called at once.
};

}  // namespace flowtts
