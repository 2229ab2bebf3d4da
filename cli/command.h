#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"

namespace flowtts::cli {

/// The exit statuses that are not a run's own (`RunStatus` has those).
inline constexpr int kUsageError = 2;
inline constexpr int kEnvironmentError = 3;

/// A word behind `flowtts`. Each is one file in cli/commands/, listed in cli/commands.cc.
struct Command {
  std::string_view name;
  std::string_view synopsis;  ///< What follows the name: "FILE [--set NAME.KEY=VALUE]...".
  std::string_view summary;   ///< One line.
  std::string_view text;      ///< What else --help says, wrapped by hand. May be empty.
  /// Declares the options and returns what runs once they are parsed.
  std::function<int()> (*prepare)(Options& options);
};

extern const Command kRunCommand;
extern const Command kCheckCommand;
extern const Command kVerifyCommand;
extern const Command kRetryCommand;
extern const Command kReplayCommand;
extern const Command kStagesCommand;
extern const Command kDescribeCommand;
extern const Command kDevicesCommand;
extern const Command kSchemaCommand;
extern const Command kVoiceCommand;
extern const Command kCompareCommand;
extern const Command kVersionCommand;

const std::vector<Command>& commands();

/// Runs `flowtts` with these arguments and returns the exit status. Called once a process.
int run_command_line(std::vector<std::string> arguments);

/// The help of `flowtts` itself, and of one command with its options.
std::string program_help();
std::string command_help(const Command& command, const Options& options);

/// Writes "flowtts: MESSAGE" to stderr.
void complain(std::string_view message);

}  // namespace flowtts::cli
