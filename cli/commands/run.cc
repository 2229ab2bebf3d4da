#include <flowtts/run.h>

#include <memory>
#include <utility>

#include "cli/command.h"
#include "cli/execute_run.h"

namespace flowtts::cli {
namespace {

struct Arguments {
  std::string file;
  std::vector<std::string> overrides;
  std::string accept_changes;
  RunTalk talk;
};

int run_pipeline(const Arguments& arguments) {
  RunOptions options;
  std::string wrong;
  options.accept_changes = accepted_changes(arguments.accept_changes, wrong);
  if (!wrong.empty()) {
    complain(wrong + "\nTry 'flowtts run --help'.");
    return kUsageError;
  }
  const auto read = [&](Diagnostics& diagnostics) {
    Pipeline::Options how;
    how.overrides = arguments.overrides;
    return Pipeline::read(arguments.file, how, diagnostics);
  };
  return execute_run(read, std::move(options), arguments.talk);
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("FILE", arguments->file, true, "The pipeline, a YAML file.");
  options.list("--set", "NAME.KEY=VALUE", arguments->overrides,
               "Change a value of the file: a stage's parameter (sample.alpha=0.1), its "
               "concurrency, devices, lanes or batch (synthesize.devices=cuda:0), a variable "
               "(vars.output=out/mine) or a setting of the run (run.seed=7). May be repeated.");
  options.value("--accept-changes", "LIST", arguments->accept_changes, kAcceptChangesDoc);
  options.flag("-q,--quiet", arguments->talk.quiet, "Print warnings and errors, and nothing else.");
  options.flag("--json", arguments->talk.json,
               "Print the report as JSON in place of the summary: what run.json holds.");
  return [arguments] { return run_pipeline(*arguments); };
}

}  // namespace

const Command kRunCommand{
    "run", "FILE [--set NAME.KEY=VALUE]... [--accept-changes LIST] [--quiet] [--json]",
    "Run a pipeline: read, work on every device, write, and say what came out.",
    R"(Output:
  The pipeline says where it writes (run.output): a new or empty folder, or one in which this run was
  begun. In it are, besides what the stages write,
    run.json        the configuration, versions, times and counts of the run
    failures.jsonl  a line for each item that failed: stage, error and the item itself
    journal.jsonl   which records are done
    log/            what was printed

Going on:
  A run that was interrupted in whatever way goes on by the same command. What is done is not made
  again, and in the end the folder is as if nothing had happened. Where the input, the pipeline, a
  voice or FlowTTS itself has changed so that the results would be others, that is said and nothing
  is touched. Threads, devices, lanes and limits may change. A folder with anything else in it is
  refused; nothing is ever overwritten.

Examples:
  flowtts run pipelines/align.yaml
  flowtts run pipelines/align.yaml --set vars.input=chats.json --set vars.output=out/chats
  flowtts run pipelines/align.yaml --set sample.alpha=0.1 --set run.seed=7 --quiet
)",
    prepare};

}  // namespace flowtts::cli
