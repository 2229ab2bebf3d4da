#include <flowtts/pipeline.h>

#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/plan.h"
#include "cli/report_diagnostics.h"
#include "cli/terminal.h"

namespace flowtts::cli {
namespace {

struct Arguments {
  std::string file;
  std::vector<std::string> overrides;
};

int check(const Arguments& arguments) {
  Pipeline::Options options;
  options.overrides = arguments.overrides;
  Diagnostics diagnostics;
  const std::optional<Pipeline> pipeline = Pipeline::read(arguments.file, options, diagnostics);
  print_diagnostics(diagnostics);
  if (!pipeline) return kUsageError;
  fmt::print("{}", plan_text(*pipeline, Terminal(stdout).colour()));
  return 0;
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("FILE", arguments->file, true, "The pipeline, a YAML file.");
  options.list("--set", "NAME.KEY=VALUE", arguments->overrides,
               "Change a value of the file first; see 'flowtts run --help'. May be repeated.");
  return [arguments] { return check(*arguments); };
}

}  // namespace

const Command kCheckCommand{
    "check", "FILE [--set NAME.KEY=VALUE]...",
    "Check a pipeline and print what would run, where, and the bounds of memory.",
    R"(Nothing is started or written. All errors of the file are printed at once, sorted, each with
its place, what was found and what is allowed; the exit status is then 2.

Example:
  flowtts check pipelines/align.yaml --set synthesize.devices=[cuda:0,cuda:1]
)",
    prepare};

}  // namespace flowtts::cli
