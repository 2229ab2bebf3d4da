#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <flowtts/device.h>
#include <flowtts/pipeline.h>

namespace flowtts {

/// What became of all records, or of all items: `read = written + filtered + failed + unfinished`.
struct Ledger {
  std::uint64_t read = 0;  ///< Records read, or items that came into being.
  std::uint64_t written = 0;
  std::uint64_t filtered = 0;
  std::uint64_t failed = 0;
  std::uint64_t unfinished = 0;  ///< Only where a run was ended early.

  bool balanced() const { return read == written + filtered + failed + unfinished; }
};

/// The process's exit status for a run; the CLI returns the number.
enum class RunStatus {
  kSucceeded = 0,    ///< All settled, within the policy.
  kOverPolicy = 1,   ///< All settled, more failed than `on_error.max_failed` allows.
  kRefused = 2,      ///< Nothing was started: the output folder belongs to something else.
  kEnvironment = 3,  ///< Disk, device or library failed; what was done is safe.
  kInterrupted = 130,
};

/// What one device did for one device stage.
struct DeviceReport {
  DeviceInfo device;
  int lanes = 0;
  std::uint64_t batches = 0;
  std::uint64_t items = 0;
  double busy_share = 0;  ///< Of the lanes' time, 0 to 1.
  double active_share =
      -1;  ///< Of the run's time that a kernel ran on the device; negative: not known.
  double fill_share = 0;               ///< Items of the rows that the batches had, 0 to 1.
  double useful_share = 0;             ///< Of the batches' padded length, 0 to 1.
  double first_half_useful_share = 1;  ///< The same of first halves, where the stage has them.
  double queue_seconds = 0;            ///< That an item waited for a lane, on average.
  double load_seconds = 0;
  DeviceMemory memory;  ///< At the end, and the peak.
  MemoryRecoveries recoveries;
  std::uint64_t ceiling = 0;   ///< Rows × longest length that a batch may still have; 0: any.
  std::uint64_t recycled = 0;  ///< How often the stage was loaded anew.
  std::uint64_t hung = 0;      ///< Batches that were taken back after `run.hang_after_s`.
  std::string numerics;        ///< What decides the results beside pipeline and input.
  std::string lost;            ///< Why the device was given up; empty where it was not.
};

struct StageReport {
  std::string id;
  std::string type;
  std::uint64_t received = 0;  ///< Each take of an item anew.
  std::uint64_t made = 0;
  std::uint64_t filtered = 0;
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;
  std::uint64_t retakes = 0;      ///< Items that it sent back for another take.
  double busy_seconds = 0;        ///< Summed over threads.
  std::uint64_t queued = 0;       ///< Items that wait at the stage or are in it; 0 at the end.
  std::uint64_t queued_most = 0;  ///< That waited; at a device stage, or were in it.
  std::vector<DeviceReport> devices;
};

struct RunReport {
  RunStatus status = RunStatus::kSucceeded;
  std::optional<Error> error;  ///< Why the run was refused or ended early.
  Ledger records;
  Ledger items;
  /// Of the records, those that earlier sessions of the run had done already; the counts, reasons
  /// and `media_seconds` include theirs, times and stages do not.
  std::uint64_t records_done_before = 0;
  std::uint64_t session = 1;      ///< Which session of the run in its folder this was.
  bool already_complete = false;  ///< Everything was done before: nothing was started.
  std::map<std::string, std::uint64_t> filtered_records;  ///< By the record filter's stage id.
  std::map<std::string, std::uint64_t> filtered_items;    ///< By reason.
  std::map<std::string, std::uint64_t> failed_items;      ///< By error code.
  std::map<std::string, std::uint64_t> retaken_items;     ///< Takes made again, by error code.
  std::map<std::string, std::uint64_t> warned_items;      ///< By code; see RunContext::doubt.
  double seconds = 0;
  double start_seconds = 0;  ///< Of them, before the first record was read: opening and loading.
  double media_seconds = 0;  ///< Of the payloads that were written, where they have a duration.
  std::uint64_t most_bytes_in_flight = 0;  ///< By the stages' estimates.
  int most_records_in_flight = 0;
  /// Threads that did not come back from a stage's call and were left in it. Where there are any,
  /// the pipeline must not be run again, and the process had better end without what libraries do
  /// at exit (std::_Exit), since that could wait for them.
  int abandoned_threads = 0;
  std::vector<StageReport> stages;
};

/// How a run stands.
struct RunProgress {
  double seconds = 0;
  double input_share = -1;  ///< Of the input that has been read, 0 to 1; negative: not known.
  Ledger records;           ///< Settled so far; `unfinished` is what is in flight.
  Ledger items;
  double media_seconds = 0;
  std::vector<StageReport> stages;
};

enum class MessageLevel { kInfo, kWarning, kError };

/// Told what happens in a run. Calls come one at a time, from threads of the run; they should
/// return quickly and must not throw.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void message(MessageLevel, const std::string&) {}
  virtual void progress(const RunProgress&) {}
};

struct RunOptions {
  RunObserver* observer = nullptr;  ///< May be null.
  std::stop_token
      stop;  ///< A request ends the run: reading at once, the rest within `run.drain_s`.
  double progress_every_s = 0.5;
  /// Which changes of a run that goes on are accepted ("input", "pipeline", "files", "numerics",
  /// "version", "all"): what is done stays as it is, the rest is done the new way.
  std::vector<std::string> accept_changes;
  /// Does records again that earlier sessions have done.
  std::vector<std::uint64_t> redo;  ///< By index.
  bool redo_failed = false;         ///< All that failed.
  /// Opens and closes the stages of a run that is complete, so that they mend what they keep of it.
  bool even_if_complete = false;
  /// The run is about the records of this id, or of this index where none has the id, and no
  /// others: they do not count. Empty: about all.
  std::string only_record;
  /// Tells what becomes of each item at each stage, as messages.
  bool trace = false;
};

/// Runs a compiled pipeline to its end. Never throws for what the input, the disk or a device does;
/// returns when every record is settled, or the run was interrupted or could not go on.
///
/// With `run.output` it makes that folder and writes journal.jsonl, run.json, failures.jsonl and
/// log/ into it. A folder that holds a journal is gone on with: records that are done there are not
/// made again, and in the end the folder is as if nothing had happened in between. That is refused
/// where the results would be others than those of the run that began there. A folder that holds
/// anything else is refused untouched.
RunReport run(Pipeline& pipeline, const RunOptions& options);

/// The report as run.json holds it.
std::string report_json(const Pipeline& pipeline, const RunReport& report);

/// "0.1.0"
const char* version();

}  // namespace flowtts
