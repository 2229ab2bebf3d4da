#pragma once

#include <stop_token>
#include <string>

#include "cli/compare_run.h"

/// Each voice of `flowtts compare` is spoken by a process of its own, this same program: so its
/// figures have nothing of the voices before it, and where native code breaks the process, the
/// voices after it are spoken all the same.
namespace flowtts::cli {

/// The command that the child is given; `flowtts --help` does not list it.
inline constexpr const char* kCompareVoiceName = "compare-voice";

/// Speaks with the voice in a child, and fills its column; `voice.config` and `voice.folder` are
/// there. A request to stop interrupts the child, whose run goes on with the next call.
void speak_in_child(const ComparePlan& plan, ComparedVoice& voice, const std::stop_token& stop);

/// How the child tells on its stdout what has become of the run.
std::string outcome_json(const CompareOutcome& outcome);

/// The same in the parent, of what a child wrote and how it ended. Not having told anything is the
/// voice's problem.
/// \param interrupted whether it was asked to end.
CompareOutcome outcome_of_child(const std::string& output, int status, int signal,
                                bool interrupted);

}  // namespace flowtts::cli
