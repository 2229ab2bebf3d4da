#include "cli/execute_run.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command.h"
#include "cli/report_diagnostics.h"
#include "cli/run_view.h"
#include "cli/signals.h"
#include "cli/summary.h"
#include "cli/terminal.h"
#include "core/run/run_identity.h"

namespace flowtts::cli {
namespace {

void print_report(const Pipeline& pipeline, const RunReport& report, const RunTalk& talk) {
  if (talk.json) {
    fmt::print("{}\n", report_json(pipeline, report));
  } else if (!talk.quiet && !report.stages.empty()) {  // something was begun
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

}  // namespace

int execute_run(const std::function<std::optional<Pipeline>(Diagnostics&)>& read,
                RunOptions options, RunTalk talk) {
  const RunView::Mode mode = RunView::mode_for(Terminal(stderr), talk.quiet);
  RunView view(mode);
  const SignalGuard signals([&view](int) {
    view.message(MessageLevel::kInfo, "signal received; a second one ends the program at once");
  });

  Diagnostics diagnostics;
  std::optional<Pipeline> pipeline = read(diagnostics);
  print_diagnostics(diagnostics);
  if (!pipeline) return kUsageError;

  options.observer = &view;
  options.stop = signals.token();
  options.progress_every_s = RunView::progress_every_s(mode);
  const RunReport report = run(*pipeline, options);
  view.close();

  if (report.error && !view.has_shown(report.error->message)) {
    complain("error: " + report.error->message);
  }
  if (report.status != RunStatus::kRefused) print_report(*pipeline, report, talk);
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

std::vector<std::string> accepted_changes(const std::string& list, std::string& wrong) {
  std::vector<std::string> known{"all"};
  for (const std::string_view group : fact_groups()) known.emplace_back(group);
  std::vector<std::string> groups;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    groups.push_back(list.substr(begin, end - begin));
    begin = end + 1;
    if (std::find(known.begin(), known.end(), groups.back()) != known.end()) continue;
    wrong = fmt::format("--accept-changes: '{}' is none of {}{}", groups.back(),
                        fmt::join(known, ", "), did_you_mean(groups.back(), known));
  }
  return groups;
}

}  // namespace flowtts::cli
