#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <flowtts/result.h>

#include "core/run/journal.h"

namespace flowtts {

/// A run's output folder and the files in it that core writes: `journal.jsonl`, `run.json`,
/// `failures.jsonl`, `log/run.log`. Nothing that was there before is changed but by going on with
/// it.
///
/// Holds a lock on the folder from `open` to destruction. Thread-safe after `open`.
class OutputFolder {
 public:
  static constexpr std::string_view kJournal = "journal.jsonl";
  static constexpr std::string_view kFailures = "failures.jsonl";

  /// Makes the folder, takes an empty one, or goes on with one that holds a journal, of which
  /// `contents` then tells. A folder that holds anything else is refused with what it holds, one
  /// that another run works in as "output_in_use"; one that cannot be made or written is a fatal
  /// Error.
  static Result<std::shared_ptr<OutputFolder>> open(const std::filesystem::path& folder,
                                                    JournalContents& contents);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  Journal& journal() { return *journal_; }  ///< One thread at a time.

  /// Takes the lines out of failures.jsonl that belong to records which are not done, and opens it.
  std::optional<Error> open_failures(const DoneRecords& done);

  /// Replaces run.json as a whole: synced under another name, then renamed.
  std::optional<Error> write_run_json(std::string_view json);
  /// Appends one line, with one write. It lasts once `sync_failures` has returned.
  std::optional<Error> append_failure(std::string_view json_line);
  std::optional<Error> sync_failures();
  void log(std::string_view line);

 private:
  explicit OutputFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::optional<Error> lock();
  std::optional<Error> open_files(JournalContents& contents);

  const std::filesystem::path path_;
  std::unique_ptr<Journal> journal_;
  std::mutex mutex_;
  int lock_ = -1;
  int failures_ = -1;
  int log_ = -1;
};

/// What `flowtts check` says of an output folder that is there: nothing where a run may begin or go
/// on in it.
std::optional<Error> output_objection(const std::filesystem::path& folder);

}  // namespace flowtts
