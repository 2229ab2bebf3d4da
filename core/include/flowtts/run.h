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
  std::uint64_t received = 0;
  std::uint64_t made = 0;
  std::uint64_t filtered = 0;
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;
  double busy_seconds = 0;   ///< Summed over threads.
  std::uint64_t queued = 0;  ///< Items that wait at the stage or are in it; 0 at the end.
  std::uint64_t queued_most = 0;
  std::vector<DeviceReport> devices;
};

struct RunReport {
  RunStatus status = RunStatus::kSucceeded;
  std::optional<Error> error;  ///< Why the run was refused or ended early.
  Ledger records;
  Ledger items;
  std::map<std::string, std::uint64_t> filtered_records;  ///< By the record filter's stage id.
  std::map<std::string, std::uint64_t> filtered_items;    ///< By reason.
  std::map<std::string, std::uint64_t> failed_items;      ///< By error code.
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
};

/// Runs a compiled pipeline to its end. Never throws for what the input, the disk or a device does;
/// returns when every record is settled, or the run was interrupted or could not go on.
///
/// With `run.output` it makes that folder and writes run.json, failures.jsonl and log/ into it; a
/// folder that holds anything already is refused untouched.
RunReport run(Pipeline& pipeline, const RunOptions& options);

/// The report as run.json holds it.
std::string report_json(const Pipeline& pipeline, const RunReport& report);

/// "0.1.0"
const char* version();

}  // namespace flowtts
