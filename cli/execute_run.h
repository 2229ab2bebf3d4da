#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/run.h>

namespace flowtts::cli {

/// How the commands that run a pipeline talk.
struct RunTalk {
  bool quiet = false;  ///< Warnings and errors only.
  bool json = false;   ///< The report in place of the summary.
};

/// Compiles what `read` gives and runs it: shows how it goes on, prints what came out, heeds
/// signals.
/// \param read    called once, with signals heeded already; findings go to its argument.
/// \param options without observer, stop and the like, which are set here.
/// \return the exit status.
int execute_run(const std::function<std::optional<Pipeline>(Diagnostics&)>& read,
                RunOptions options, RunTalk talk);

/// The groups of `--accept-changes=input,files`; what is wrong with them goes to `wrong`.
std::vector<std::string> accepted_changes(const std::string& list, std::string& wrong);

inline constexpr const char* kAcceptChangesDoc =
    "Go on in a folder although the run would make something else by now: input, pipeline, files "
    "(a voice), numerics, version, separated by commas, or all. What is done stays as it is.";

}  // namespace flowtts::cli
