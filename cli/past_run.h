#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/pipeline.h>

#include "core/run/journal.h"

namespace flowtts::cli {

/// A run as its output folder remembers it, for the commands that take the folder instead of a
/// pipeline file.
struct PastRun {
  std::filesystem::path folder;  ///< Absolute.
  JournalContents journal;       ///< Has a session.
};

/// Reads the journal of a folder. Errors: "no_journal"; "no_session" where nothing had begun yet.
Result<PastRun> read_past_run(const std::filesystem::path& folder);

/// The pipeline with which the run's last session worked, for its own folder unless `overrides` say
/// otherwise. Since its paths are relative to the working directory of then, that becomes the
/// process's.
std::optional<Pipeline> past_pipeline(const PastRun& past, std::vector<std::string> overrides,
                                      Diagnostics& diagnostics);

/// `NAME=VALUE` with the value as a text, whatever stands in it.
std::string text_override(const std::string& name, const std::string& value);

}  // namespace flowtts::cli
