#include <memory>
#include <utility>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/execute_run.h"
#include "cli/format.h"
#include "cli/past_run.h"

namespace flowtts::cli {
namespace {

struct Arguments {
  std::string folder;
  std::vector<std::string> overrides;
  std::string accept_changes;
  RunTalk talk;
};

int retry(const Arguments& arguments) {
  RunOptions options;
  std::string wrong;
  options.accept_changes = accepted_changes(arguments.accept_changes, wrong);
  if (!wrong.empty()) {
    complain(wrong + "\nTry 'flowtts retry --help'.");
    return kUsageError;
  }
  const auto past = read_past_run(arguments.folder);
  if (!past.ok()) {
    complain("retry: " + past.error().message);
    return kUsageError;
  }
  options.redo_failed = true;
  return execute_run(
      [&](Diagnostics& diagnostics) {
        return past_pipeline(*past, arguments.overrides, diagnostics);
      },
      std::move(options), arguments.talk);
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("OUT", arguments->folder, true, "The output folder of a run.");
  options.list("--set", "NAME.KEY=VALUE", arguments->overrides,
               "Change a value of the pipeline first; see 'flowtts run --help'. May be repeated.");
  options.value("--accept-changes", "LIST", arguments->accept_changes, kAcceptChangesDoc);
  options.flag("-q,--quiet", arguments->talk.quiet, "Print warnings and errors, and nothing else.");
  options.flag("--json", arguments->talk.json,
               "Print the report as JSON in place of the summary: what run.json holds.");
  return [arguments] { return retry(*arguments); };
}

}  // namespace

const Command kRetryCommand{
    "retry", "OUT [--set NAME.KEY=VALUE]... [--accept-changes LIST] [--quiet] [--json]",
    "Do the records again that failed, and put what comes out where it belongs.",
    R"(The pipeline is the one with which the run was made; it stands in the folder. Records that are
done stay as they are. A run that was interrupted is brought to its end as well.

After a stage or a voice was mended the results of the whole run would be others, so that is asked
for: --accept-changes=files where it was the voice, =pipeline where it was a parameter.

Examples:
  flowtts retry out/align
  flowtts retry out/align --set split.max_words=30 --accept-changes=pipeline
)",
    prepare};

}  // namespace flowtts::cli
