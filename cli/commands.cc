#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iterator>

#include <flowtts/diagnostics.h>
#include <flowtts/run.h>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/text.h"

namespace flowtts::cli {
namespace {

constexpr std::size_t kHelpWidth = 96;

constexpr std::string_view kExamples = R"(
Examples:
  flowtts check pipelines/align.yaml               What would run, where, and in how much memory.
  flowtts pipelines/align.yaml                     Run it.
  flowtts pipelines/align.yaml --set vars.input=chats.json --set vars.output=out/chats
                                                   The same, with data of your own.
  flowtts run align.yaml --set sample.alpha=0.1 --set synthesize.devices=cuda:0
  flowtts verify out/align                         Whether all is still as the run has left it.
  flowtts retry out/align                          Do what failed again.
  flowtts describe split_sentences                 A stage's parameters, and an example.

Exit status:
  0    All went well; failed records, if any, are within run.on_error.max_failed.
  1    The run came to its end, but more records failed than that allows.
  2    The pipeline file, the command line or the output folder was refused; nothing was started.
  3    The disk, a device or a library failed, or a stage hung. What had been written until then
       is safe.
  130  Interrupted (Ctrl-C); 143: terminated. What had been begun was finished first;
       a second signal ends the program at once.
A run that was ended, however, goes on by the same command.

Results go to stdout; progress, warnings and errors to stderr. NO_COLOR turns colours off.
'flowtts COMMAND --help' says more about a command.
)";

/// Two columns, as every list in the help is.
std::string described(std::span<const Options::Described> list) {
  std::size_t widest = 0;
  for (const auto& one : list) widest = std::max(widest, one.name.size());
  std::string text;
  for (const auto& one : list) {
    text += fmt::format("  {:<{}}  {}\n", one.name, widest, wrap(one.doc, kHelpWidth, widest + 4));
  }
  return text;
}

const Command* find_command(std::string_view name) {
  const auto& all = commands();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Command& command) { return command.name == name; });
  return found == all.end() ? nullptr : &*found;
}

bool looks_like_file(const std::string& word) {
  std::error_code unreadable;
  return word.find_first_of("./") != std::string::npos || std::filesystem::exists(word, unreadable);
}

int refuse(std::string_view message, std::string_view help) {
  complain(fmt::format("{}\nTry '{} --help'.", message, help));
  return kUsageError;
}

int unknown_command(const std::string& word) {
  std::vector<std::string> names{"help"};
  for (const Command& command : commands()) names.emplace_back(command.name);
  return refuse(
      fmt::format("'{}' is neither a command nor a file{}", word, did_you_mean(word, names)),
      "flowtts");
}

int run_command(const Command& command, std::vector<std::string> arguments) {
  Options options;
  const std::function<int()> run = command.prepare(options);
  const std::optional<std::string> wrong = options.parse(std::move(arguments));
  if (wrong)
    return refuse(fmt::format("{}: {}", command.name, *wrong),
                  fmt::format("flowtts {}", command.name));
  if (options.help_wanted()) {
    fmt::print("{}", command_help(command, options));
    return 0;
  }
  return run();
}

int dispatch(std::vector<std::string> arguments) {
  if (arguments.empty()) {
    fmt::print(stderr, "{}", program_help());
    return kUsageError;
  }
  std::string word = arguments.front();
  const bool help_of = word == "help" && arguments.size() > 1;
  if (help_of) {
    arguments = {arguments[1], "--help"};
    word = arguments.front();
  }
  if (word == "--help" || word == "-h" || word == "help") {
    fmt::print("{}", program_help());
    return 0;
  }
  if (word == "--version" || word == "-V") word = arguments.front() = "version";
  if (const Command* command = find_command(word)) {
    arguments.erase(arguments.begin());
    return run_command(*command, std::move(arguments));
  }
  if (!help_of && (word.starts_with('-') || looks_like_file(word))) {
    return run_command(kRunCommand, std::move(arguments));
  }
  return unknown_command(word);
}

/// What was printed may still have to be written, and the disk may be full.
int flush_output(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  if (status != 0 || errno == EPIPE) return status;  // a reader that has seen enough is no error
  complain("stdout cannot be written");
  return kEnvironmentError;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> kCommands{kRunCommand,      kCheckCommand,   kVerifyCommand,
                                              kRetryCommand,    kReplayCommand,  kStagesCommand,
                                              kDescribeCommand, kDevicesCommand, kSchemaCommand,
                                              kVoiceCommand,    kCompareCommand, kVersionCommand};
  return kCommands;
}

std::string program_help() {
  std::vector<Options::Described> list;
  for (const Command& command : commands()) {
    list.push_back({std::string(command.name), std::string(command.summary)});
  }
  return fmt::format(
      "flowtts {}: turns conversations into a text/speech dataset on every GPU of a machine.\n"
      "A YAML file says how: a graph of stages, from reading to writing.\n\n"
      "Usage:\n"
      "  flowtts FILE [--set NAME.KEY=VALUE]...   Short for 'flowtts run FILE ...'.\n"
      "  flowtts COMMAND [ARGUMENT]...\n\n"
      "Commands:\n{}{}",
      version(), described(list), kExamples);
}

std::string command_help(const Command& command, const Options& options) {
  std::vector<Options::Described> list = options.options();
  list.push_back({"-h, --help", "Print this."});
  std::string text = fmt::format("{}\n\nUsage:\n  flowtts {}{}{}\n", command.summary, command.name,
                                 command.synopsis.empty() ? "" : " ", command.synopsis);
  if (!options.arguments().empty()) text += "\nArguments:\n" + described(options.arguments());
  text += "\nOptions:\n" + described(list);
  if (!command.text.empty()) text += fmt::format("\n{}", command.text);
  return text;
}

void complain(std::string_view message) { fmt::print(stderr, "flowtts: {}\n", message); }

int run_command_line(std::vector<std::string> arguments) {
  try {
    return flush_output(dispatch(std::move(arguments)));
  } catch (const std::exception& error) {
    complain(fmt::format("error: {}", error.what()));
    return kEnvironmentError;
  }
}

}  // namespace flowtts::cli
