#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include <flowtts/result.h>

namespace flowtts::cli {

struct ChildResult {
  int status = 0;      ///< As a shell says it: the exit status, or 128 + the signal's number.
  int signal = 0;      ///< That has ended it; 0 where it has ended by itself.
  std::string output;  ///< What it wrote to stdout.
};

/// Runs a program, found as a shell finds it, and waits for its end. It shares stdin, stderr, the
/// environment and the process group, so that Ctrl-C reaches both. The Error "not_started" carries
/// the system's words.
Result<ChildResult> run_child(const std::vector<std::string>& words);

/// The same in a process group of its own, with no signal blocked: a request to stop, and nothing
/// else, reaches it as one SIGTERM. So Ctrl-C is not heard twice, which would end it at once. (Not
/// SIGINT, which shells have ignored by what they start in the background.)
Result<ChildResult> run_child(const std::vector<std::string>& words, const std::stop_token& stop);

/// For a child: the end of the process that has started it is its own. Call it first of all.
void end_with_parent();

}  // namespace flowtts::cli
