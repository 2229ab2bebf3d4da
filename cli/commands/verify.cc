#include <memory>
#include <utility>

#include <flowtts/json.h>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/execute_run.h"
#include "cli/format.h"
#include "cli/past_run.h"
#include "core/config/params.h"
#include "stages/verify/verify_run.h"

namespace flowtts::cli {
namespace {

/// How many faults are printed; all of them are counted, and --json has all.
constexpr std::size_t kShown = 50;

struct Arguments {
  std::string folder;
  bool repair = false;
  bool json = false;
};

void print_json(const VerifyReport& report) {
  JsonWriter json;
  json.begin_object()
      .field("complete", report.complete)
      .field("records", report.records)
      .field("lines", report.lines)
      .field("sentences", report.sentences)
      .field("bytes", report.bytes);
  json.key("faults").begin_array();
  for (const VerifyFault& fault : report.faults) {
    json.begin_object();
    if (fault.record) json.field("record", *fault.record);
    json.field("text", fault.text).end_object();
  }
  json.end_array().key("notes").begin_array();
  for (const std::string& note : report.notes) json.value(note);
  json.end_array().end_object();
  fmt::print("{}\n", json.text());
}

void print_text(const std::string& folder, const VerifyReport& report) {
  for (std::size_t i = 0; i < report.faults.size() && i < kShown; ++i) {
    fmt::print("{}\n", report.faults[i].text);
  }
  if (report.faults.size() > kShown) {
    fmt::print("... and {} more; --json prints all\n", report.faults.size() - kShown);
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", note);
  fmt::print(
      "{}: {}: {}, {}, {} of audio\n", folder,
      report.faults.empty() ? "all is well" : format_number_of(report.faults.size(), "fault"),
      format_number_of(report.records, "record"), format_number_of(report.sentences, "sentence"),
      byte_size_text(report.bytes));
}

/// \return the exit status.
int look(const Arguments& arguments, std::vector<std::uint64_t>& at_fault) {
  const auto report = verify_run(arguments.folder);
  if (!report.ok()) {
    complain("verify: " + report.error().message);
    return report.error().fatal ? kEnvironmentError : kUsageError;
  }
  if (arguments.json) {
    print_json(*report);
  } else {
    print_text(arguments.folder, *report);
  }
  at_fault = report->records_at_fault();
  return report->faults.empty() ? 0 : 1;
}

int verify(const Arguments& arguments) {
  RunOptions options;
  const int status = look(arguments, options.redo);
  if (status != 1 || !arguments.repair) return status;
  const auto past = read_past_run(arguments.folder);
  if (!past.ok()) {
    complain("verify: " + past.error().message);
    return kUsageError;
  }
  options.even_if_complete = true;
  Arguments again = arguments;
  again.folder = past->folder.string();  // the working directory may change
  const int run_status =
      execute_run([&](Diagnostics& diagnostics) { return past_pipeline(*past, {}, diagnostics); },
                  std::move(options), {.quiet = true});
  if (run_status > 1) return run_status;
  std::vector<std::uint64_t> left;
  return look(again, left);
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("OUT", arguments->folder, true, "The output folder of a run.");
  options.flag("--repair", arguments->repair,
               "Make again what is at fault, and nothing else, and look once more.");
  options.flag("--json", arguments->json, "Print the findings as JSON.");
  return [arguments] { return verify(*arguments); };
}

}  // namespace

const Command kVerifyCommand{
    "verify", "OUT [--repair] [--json]", "Hold what a run has written against its own books.",
    R"(Looks at the journal, at each line of the manifest, and at each piece of audio: whether it is
there, its length, its checksum, its sample rate and number of samples. Names the record and the
sentence at fault. Nothing is changed without --repair.

Exit status: 0 all is well; 1 something is at fault; 2 there is no run in the folder; 3 the disk.
What --repair could not make as it was is still at fault afterwards.

Examples:
  flowtts verify out/align
  flowtts verify out/align --repair
)",
    prepare};

}  // namespace flowtts::cli
