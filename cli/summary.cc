#include "cli/summary.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "cli/format.h"
#include "cli/text.h"
#include "core/config/params.h"

namespace flowtts::cli {
namespace {

using Counts = std::map<std::string, std::uint64_t>;

std::string headline(const Pipeline& pipeline, const RunReport& report, bool colour) {
  std::string text;
  switch (report.status) {
    case RunStatus::kSucceeded:
      text = paint("done", Style::kGreen, colour);
      if (report.already_complete) text = "was done before; nothing was left to do";
      break;
    case RunStatus::kOverPolicy:
      text = paint("too many records failed", Style::kRed, colour);
      break;
    case RunStatus::kInterrupted:
      text = paint("interrupted", Style::kYellow, colour);
      break;
    default:
      text = paint("ended early", Style::kRed, colour);
  }
  text = fmt::format("{}: {}", pipeline.name(), text);
  if (!report.already_complete) {
    text += fmt::format(" after {}", format_duration(report.seconds));
  }
  if (report.media_seconds > 0) {
    text += fmt::format("; {} of audio", format_duration(report.media_seconds));
    if (report.seconds > 0 && report.records_done_before == 0) {
      text += fmt::format(", {} audio s/s", format_rate(report.media_seconds / report.seconds));
    }
  }
  return text + "\n";
}

/// "unspeakable 45, empty 3", the most frequent first.
std::string counts_text(const Counts& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [name, count] : sorted) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
  }
  return text;
}

std::string reasons(const char* what, const Counts& counts) {
  return counts.empty() ? "" : fmt::format("  {}: {}\n", what, counts_text(counts));
}

/// "check: 14 of 572 takes rejected (2%), 12 of them made again", of stages that had any repeated.
std::string rejections(const RunReport& report) {
  std::string text;
  for (const StageReport& stage : report.stages) {
    if (stage.retakes == 0) continue;
    const std::uint64_t rejected = stage.retakes + stage.failed;
    const double share = static_cast<double>(rejected) / static_cast<double>(stage.received);
    text += fmt::format("  {}: {} of {} takes rejected ({}), {} of them made again\n", stage.id,
                        format_count(rejected), format_count(stage.received), format_share(share),
                        format_count(stage.retakes));
  }
  return text;
}

std::string ledgers(const RunReport& report) {
  std::string before;
  if (report.records_done_before > 0 && !report.already_complete) {
    before = fmt::format("  {} of them had been done before, in {}\n",
                         format_number_of(report.records_done_before, "record"),
                         format_number_of(report.session - 1, "session"));
  }
  return "  " + ledger_line("records", report.records) + "\n" + before +
         reasons("filtered records by stage", report.filtered_records) + "  " +
         ledger_line("items", report.items) + "\n" +
         reasons("filtered items by reason", report.filtered_items) +
         reasons("failed items by error", report.failed_items) + rejections(report) +
         reasons("takes made again by error", report.retaken_items) +
         reasons("warnings of items", report.warned_items);
}

/// What went on with a device that a user should know of.
std::string device_events(const DeviceReport& device) {
  const std::string name = device.device.id.text();
  const MemoryRecoveries& memory = device.recoveries;
  std::string text;
  if (memory.out_of_memory > 0) {
    text += fmt::format(
        "  {}: ran out of memory {} times: {} batches tried again, {} cut in halves, "
        "{} items failed\n",
        name, memory.out_of_memory, memory.retried, memory.halved, memory.failed);
  }
  if (device.recycled > 0) {
    text += fmt::format("  {}: loaded anew {} times\n", name, device.recycled);
  }
  if (!device.lost.empty()) {
    text += fmt::format("  {}: given up; the other devices did its work: {}\n", name, device.lost);
  }
  return text;
}

std::string devices(const RunReport& report, bool colour) {
  Table table(
      {"device", "stage", "lanes", "batches", "items", "busy", "active", "filled", "useful",
       "waited", "peak memory"},
      {"lanes", "batches", "items", "busy", "active", "filled", "useful", "waited", "peak memory"});
  std::string events;
  bool any = false;
  for (const StageReport& stage : report.stages) {
    for (const DeviceReport& device : stage.devices) {
      any = true;
      table.add({device.device.id.text(), stage.id, fmt::format("{}", device.lanes),
                 format_count(device.batches), format_count(device.items),
                 format_share(device.busy_share),
                 device.active_share < 0 ? "" : format_share(device.active_share),
                 format_share(device.fill_share), format_share(device.useful_share),
                 fmt::format("{:.2f} s", device.queue_seconds),
                 device.memory.peak > 0 ? byte_size_text(device.memory.peak) : ""});
      events += device_events(device);
    }
  }
  return any ? "\n" + table.text(colour) + events : "";
}

bool has_content(const std::filesystem::path& file) {
  std::error_code missing;
  return std::filesystem::file_size(file, missing) > 0 && !missing;
}

std::string places(const Pipeline& pipeline) {
  const std::filesystem::path& output = pipeline.settings().output;
  if (output.empty()) return "";
  std::string text = fmt::format("\n  output:   {}\n", output.string());
  for (const auto& [name, file] :
       {std::pair("manifest", "manifest.jsonl"), std::pair("failures", "failures.jsonl"),
        std::pair("report", "run.json")}) {
    const std::filesystem::path path = output / file;
    if (has_content(path)) {
      text += fmt::format("  {:<9} {}\n", fmt::format("{}:", name), path.string());
    }
  }
  return text;
}

std::string read_failures(const Pipeline& pipeline) {
  const std::filesystem::path& output = pipeline.settings().output;
  if (output.empty()) return "Give the run an output folder (run.output) to see which and why.\n";
  return fmt::format(
      "Each line of {} names the stage, the error and the item.\n"
      "To do them again: flowtts retry {}\n",
      (output / "failures.jsonl").string(), output.string());
}

std::string go_on(const Pipeline& pipeline) {
  return pipeline.settings().output.empty() ? "The rest of the input was left."
                                            : "The same command goes on from here.";
}

std::string next_step(const Pipeline& pipeline, const RunReport& report) {
  const std::string failed = format_number_of(report.records.failed, "record");
  switch (report.status) {
    case RunStatus::kSucceeded:
      if (report.items.failed + report.records.failed == 0) return "";
      return fmt::format("\n{} failed, within run.on_error.max_failed ({}). {}", failed,
                         pipeline.settings().max_failed, read_failures(pipeline));
    case RunStatus::kOverPolicy:
      return fmt::format(
          "\n{} of {} failed; run.on_error.max_failed allows {}. {}"
          "To accept so many: --set run.on_error.max_failed={}\n",
          failed, format_count(report.records.read), pipeline.settings().max_failed,
          read_failures(pipeline), report.records.failed);
    case RunStatus::kInterrupted:
      return fmt::format("\n{}{}\n",
                         report.records.unfinished > 0
                             ? format_number_of(report.records.unfinished, "record") +
                                   " in flight were not finished. "
                             : "",
                         go_on(pipeline));
    default:
      return fmt::format("\nWhat is done is safe. Once the cause is mended: {}\n", go_on(pipeline));
  }
}

}  // namespace

std::string ledger_line(const std::string& name, const Ledger& ledger) {
  std::string text = fmt::format("{}: read {} = written {} + filtered {} + failed {}", name,
                                 ledger.read, ledger.written, ledger.filtered, ledger.failed);
  if (ledger.unfinished > 0) text += fmt::format(" + unfinished {}", ledger.unfinished);
  return text;
}

std::string run_summary(const Pipeline& pipeline, const RunReport& report, bool colour) {
  return headline(pipeline, report, colour) + "\n" + ledgers(report) + devices(report, colour) +
         places(pipeline) + next_step(pipeline, report);
}

}  // namespace flowtts::cli
