#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

/// Something in a run's folder that is not as the run left it.
struct VerifyFault {
  std::optional<std::uint64_t> record;  ///< The index of the record at fault, where it is known.
  std::string text;  ///< A sentence: which file, record and sentence, what was found and expected.
};

struct VerifyReport {
  bool complete = false;        ///< Whether the run came to its end.
  std::uint64_t records = 0;    ///< That are done by the journal.
  std::uint64_t lines = 0;      ///< Of the manifest.
  std::uint64_t sentences = 0;  ///< That have audio.
  std::uint64_t bytes = 0;      ///< Of audio that were read.
  std::vector<VerifyFault> faults;
  std::vector<std::string>
      notes;  ///< What is no fault: files that nobody names, an unfinished run.

  /// The records to do again, each once, in order.
  std::vector<std::uint64_t> records_at_fault() const;
};

/// Holds a run's folder against its own books: the journal's lines; each record's line of the
/// manifest, whether it is whole, there once, in order, and agrees with the journal in how the
/// record ended and in how many items; each audio file's existence, length, XXH3-64, sample rate
/// and number of samples. Reads everything once, on all cores, and changes nothing.
///
/// Of a pipeline without `write_manifest` only the journal can be looked at; a note says so.
/// Errors: "no_journal" where no run has written; "unreadable".
Result<VerifyReport> verify_run(const std::filesystem::path& folder);

}  // namespace flowtts
