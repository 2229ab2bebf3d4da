#include <flowtts/run.h>
#include <cstdio>
#include <cstdlib>

#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/report_diagnostics.h"
#include "cli/run_view.h"
#include "cli/signals.h"
#include "cli/summary.h"
#include "cli/terminal.h"

namespace flowtts::cli {
namespace {

struct Arguments {
  std::string file;
  std::vector<std::string> overrides;
  bool quiet = false;
  bool json = false;
};

void print_report(const Pipeline& pipeline, const RunReport& report, const Arguments& arguments) {
  if (arguments.json) {
    fmt::print("{}\n", report_json(pipeline, report));
  } else if (!arguments.quiet && !report.stages.empty()) {  // something was begun
    fmt::print("{}", run_summary(pipeline, report, Terminal(stdout).colour()));
  }
}

bool lost_a_device(const RunReport& report) {
  for (const StageReport& stage : report.stages) {
    for (const DeviceReport& device : stage.devices) {
      if (!device.lost.empty()) return true;
    }
  }
  return false;
}

int run_pipeline(const Arguments& arguments) {
  RunView view(RunView::mode_for(Terminal(stderr), arguments.quiet));
  const RunView::Mode mode = RunView::mode_for(Terminal(stderr), arguments.quiet);
  const SignalGuard signals([&view](int) {
    view.message(MessageLevel::kInfo, "signal received; a second one ends the program at once");
  });

  Pipeline::Options options;
  options.overrides = arguments.overrides;
  Diagnostics diagnostics;
  std::optional<Pipeline> pipeline = Pipeline::read(arguments.file, options, diagnostics);
  print_diagnostics(diagnostics);
  if (!pipeline) return kUsageError;

  RunOptions run_options;
  run_options.observer = &view;
  run_options.stop = signals.token();
  run_options.progress_every_s = RunView::progress_every_s(mode);
  const RunReport report = run(*pipeline, run_options);
  view.close();

  if (report.error && !view.has_shown(report.error->message)) {
    complain("error: " + report.error->message);
  }
  print_report(*pipeline, report, arguments);
  const bool interrupted = report.status == RunStatus::kInterrupted;
  const int status = interrupted ? 128 + signals.first() : static_cast<int>(report.status);
  if (report.abandoned_threads > 0 || lost_a_device(report)) {
    // Everything is written and told. What libraries do with a lost device as they go could hang,
    // and so could what waits for threads that do not come back.
    std::fflush(nullptr);
    std::_Exit(status);
  }
  return status;
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("FILE", arguments->file, true, "The pipeline, a YAML file.");
  options.list("--set", "NAME.KEY=VALUE", arguments->overrides,
               "Change a value of the file: a stage's parameter (sample.alpha=0.1), its "
               "concurrency, devices, lanes or batch (synthesize.devices=cuda:0), a variable "
               "(vars.output=out/mine) or a setting of the run (run.seed=7). May be repeated.");
  options.flag("-q,--quiet", arguments->quiet, "Print warnings and errors, and nothing else.");
  options.flag("--json", arguments->json,
               "Print the report as JSON in place of the summary: what run.json holds.");
  return [arguments] { return run_pipeline(*arguments); };
}

}  // namespace

const Command kRunCommand{
    "run", "FILE [--set NAME.KEY=VALUE]... [--quiet] [--json]",
    "Run a pipeline: read, work on every device, write, and say what came out.",
    R"(Output:
  The pipeline says where it writes (run.output). The folder must be empty or new: nothing is ever
  overwritten. In it are, besides what the stages write,
    run.json        the configuration, versions, times and counts of the run
    failures.jsonl  a line for each item that failed: stage, error and the item itself
    log/            what was printed

Examples:
  flowtts run pipelines/align.yaml
  flowtts run pipelines/align.yaml --set vars.input=chats.json --set vars.output=out/chats
  flowtts run pipelines/align.yaml --set sample.alpha=0.1 --set run.seed=7 --quiet
)",
    prepare};

}  // namespace flowtts::cli
