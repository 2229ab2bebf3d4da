#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/result.h>

#include "core/run/done_records.h"
#include "core/run/run_identity.h"

namespace flowtts {

/// One call of `run` on an output folder.
struct JournalSession {
  std::uint64_t number = 1;
  std::string started;      ///< UTC, ISO 8601.
  std::string directory;    ///< The working directory, which relative paths of the config are from.
  std::string file;         ///< The pipeline's.
  std::string config_json;  ///< As Pipeline::config_json.
  RunIdentity identity;
};

/// How a run that came to its end stood beside its records.
struct JournalEnd {
  std::uint64_t read = 0;                                 ///< Records of the input.
  std::map<std::string, std::uint64_t> filtered_records;  ///< In the reader, by stage.
};

/// What a journal says.
struct JournalContents {
  std::optional<JournalSession> session;  ///< The last one.
  DoneRecords done;
  std::optional<JournalEnd> end;    ///< Where everything is done.
  std::vector<std::string> damage;  ///< What was found that is no whole line, a sentence each.

  /// Whether all is done: the run came to its end, and since then no record's line was lost.
  bool complete() const;
};

/// A run's journal: which records are done, and of which run. Lines of JSON, each sealed
/// (core/sealed_line.h), in the order of time:
///
///     {"session":1,"started":...,"config":{...},"identity":[...]}     // twice, see below
///     {"record":17,"content":"8f21...","status":"written","written":3,"seconds":9.1}
///     {"redo":[17,230]}                   // these are not done any more
///     {"end":240,"filtered_records":{}}   // everything is done
///
/// A record is done exactly when its line is whole and on the disk. What it made has been synced
/// before. A session's line stands there twice, an empty line between, so that one damaged byte
/// does not take away what the folder is; of records, those whose lines are damaged are done again.
///
/// Lifecycle: `open`, which reads and mends it, then appends. One thread at a time. Each append
/// returns when its lines are on the disk.
class Journal {
 public:
  /// Makes the file, or goes on with it: a line at its end that was not written out is cut off, and
  /// where others are damaged the file is replaced by one of whole lines. Both are told in
  /// `damage`. Errors are fatal and name the path.
  static Result<std::unique_ptr<Journal>> open(const std::filesystem::path& path,
                                               JournalContents& contents);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  std::optional<Error> append(const JournalSession& session);
  std::optional<Error> append(std::span<const DoneRecord> records);
  std::optional<Error> append_redo(std::span<const std::uint64_t> indexes);
  std::optional<Error> append(const JournalEnd& end);

 private:
  Journal(std::filesystem::path path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}
  std::optional<Error> append_lines(std::string_view lines);

  const std::filesystem::path path_;
  int descriptor_;
};

/// Reads a journal without changing it. Errors: "no_journal"; "unreadable".
Result<JournalContents> read_journal(const std::filesystem::path& path);

}  // namespace flowtts
