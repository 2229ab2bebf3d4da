#include <memory>
#include <utility>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/execute_run.h"
#include "cli/past_run.h"

namespace flowtts::cli {
namespace {

struct Arguments {
  std::string folder;
  std::string record;
  std::string output;
  std::vector<std::string> overrides;
};

int refuse(const std::string& message) {
  complain(fmt::format("replay: {}\nTry 'flowtts replay --help'.", message));
  return kUsageError;
}

int replay(const Arguments& arguments) {
  if (arguments.record.empty()) return refuse("--record ID is required: which record");
  const auto past = read_past_run(arguments.folder);
  if (!past.ok()) return refuse(past.error().message);
  std::error_code unknown;
  const std::string output = arguments.output.empty()
                                 ? past->folder.string() + "-replay"
                                 : std::filesystem::absolute(arguments.output, unknown).string();

  RunOptions options;
  options.only_record = arguments.record;
  options.trace = true;
  std::vector<std::string> overrides = arguments.overrides;
  overrides.push_back(text_override("run.output", output));
  return execute_run(
      [&](Diagnostics& diagnostics) { return past_pipeline(*past, overrides, diagnostics); },
      std::move(options), {});
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("OUT", arguments->folder, true, "The output folder of a run.");
  options.value("--record", "ID", arguments->record,
                "Which record: its id, or its place in the input, counted from 0.");
  options.value("--output", "DIR", arguments->output,
                "Where what it makes goes; OUT-replay unless said otherwise. OUT is not touched.");
  options.list("--set", "NAME.KEY=VALUE", arguments->overrides,
               "Change a value of the pipeline first; see 'flowtts run --help'. May be repeated.");
  return [arguments] { return replay(*arguments); };
}

}  // namespace

const Command kReplayCommand{
    "replay", "OUT --record ID [--output DIR] [--set NAME.KEY=VALUE]...",
    "Run one record of a past run alone, and tell what becomes of it at each stage.",
    R"(The pipeline is the one with which the run was made; it stands in the folder. Every random choice
is the same as in that run, so what comes out is what came out there, or should have.

Examples:
  flowtts replay out/align --record chat-0017
  flowtts replay out/align --record 17 --output /tmp/look --set split.max_words=20
)",
    prepare};

}  // namespace flowtts::cli
