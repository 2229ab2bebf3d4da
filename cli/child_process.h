#pragma once

#include <string>
#include <vector>

#include <flowtts/result.h>

namespace flowtts::cli {

struct ChildResult {
  int status = 0;      ///< As a shell says it: the exit status, or 128 + the signal's number.
  std::string output;  ///< What it wrote to stdout.
};

/// Runs a program, found as a shell finds it, and waits for its end. It shares stdin, stderr, the
/// environment and the process group, so that Ctrl-C reaches both. The Error "not_started" carries
/// the system's words.
Result<ChildResult> run_child(const std::vector<std::string>& words);

}  // namespace flowtts::cli
