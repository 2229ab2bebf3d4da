#include <flowtts/diagnostics.h>

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/describe.h"
#include "cli/terminal.h"

namespace flowtts::cli {
namespace {

struct Arguments {
  std::string topic;
  bool markdown = false;
};

int describe(const Arguments& arguments) {
  const StageRegistry& registry = StageRegistry::global();
  if (arguments.markdown) {
    fmt::print("{}", stages_markdown(registry));
    return 0;
  }
  if (arguments.topic.empty()) {
    complain(
        "describe: STAGE is missing; 'flowtts stages' lists them.\n"
        "Try 'flowtts describe --help'.");
    return kUsageError;
  }
  const Terminal terminal(stdout);
  const std::size_t width = std::clamp<std::size_t>(terminal.width(), 40, 100);
  const std::string text = description(arguments.topic, registry, width, terminal.colour());
  if (text.empty()) {
    complain(fmt::format("there is no stage '{}'{}\n'flowtts stages' lists them.", arguments.topic,
                         did_you_mean(arguments.topic, topics(registry))));
    return kUsageError;
  }
  fmt::print("{}", text);
  return 0;
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("STAGE", arguments->topic, false,
                   "A stage's type; or 'run', 'stage' or 'batch' for the settings of that name in "
                   "a pipeline file.");
  options.flag("--markdown", arguments->markdown,
               "Print the documentation of all stages: docs/stages.md.");
  return [arguments] { return describe(*arguments); };
}

}  // namespace

const Command kDescribeCommand{"describe", "STAGE | run | stage | batch | --markdown",
                               "Print what a stage does, its parameters, and an example.", "",
                               prepare};

}  // namespace flowtts::cli
