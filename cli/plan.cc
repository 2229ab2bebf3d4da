#include "cli/plan.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "cli/format.h"
#include "cli/text.h"
#include "core/config/params.h"
#include "core/run/output_folder.h"

namespace flowtts::cli {
namespace {

std::string flow_text(const PipelineStage& stage) {
  if (!stage.in) return fmt::format("-> {}", stage.out->name);
  if (!stage.out) return fmt::format("{} ->", stage.in->name);
  if (stage.in == stage.out) return std::string(stage.in->name);
  return fmt::format("{} -> {}", stage.in->name, stage.out->name);
}

std::string place_text(const PipelineStage& stage) {
  if (stage.type->kind == StageKind::kSource) return "the reader";
  if (stage.in_reader) return "the reader";
  if (stage.in_lane) return "the lanes before it";
  if (stage.type->kind != StageKind::kDevice) {
    return format_number_of(static_cast<std::uint64_t>(stage.concurrency), "thread");
  }
  const int lanes = stage.lanes_on(stage.devices.front());
  return fmt::format("{} x {}", list_devices(stage.devices),
                     format_number_of(static_cast<std::uint64_t>(lanes), "lane"));
}

std::string batch_text(const PipelineStage& stage) {
  if (stage.type->kind != StageKind::kDevice) return "";
  std::string text = fmt::format("{} items, {} ms", stage.batch.max_items, stage.batch.max_wait_ms);
  if (stage.batch.max_length > 0) text += fmt::format(", length {}", stage.batch.max_length);
  return text;
}

/// Empty where each stage follows the one above it.
std::string from_text(const Pipeline& pipeline, std::size_t index) {
  std::string text;
  for (const std::size_t from : pipeline.stages()[index].from) {
    text += (text.empty() ? "" : ", ") + pipeline.stages()[from].id;
  }
  return text;
}

bool is_chain(const Pipeline& pipeline) {
  const auto& stages = pipeline.stages();
  for (std::size_t i = 1; i < stages.size(); ++i) {
    if (stages[i].from.size() != 1 || stages[i].from.front() != i - 1) return false;
  }
  return true;
}

std::string stages_text(const Pipeline& pipeline, bool colour) {
  const bool chain = is_chain(pipeline);
  Table table({"stage", "type", "from", "takes -> makes", "runs on", "batch, wait"});
  for (std::size_t i = 0; i < pipeline.stages().size(); ++i) {
    const PipelineStage& stage = pipeline.stages()[i];
    table.add({stage.id, stage.type->spec.name, chain ? "" : from_text(pipeline, i),
               flow_text(stage), place_text(stage), batch_text(stage)});
  }
  std::string text = table.text(colour);
  for (const PipelineStage& stage : pipeline.stages()) {
    for (const std::string& note : stage.notes) text += fmt::format("  {}: {}\n", stage.id, note);
  }
  return text;
}

std::string output_text(const RunSettings& settings) {
  if (settings.output.empty()) return "none: the run writes no files of its own";
  if (const auto objection = output_objection(settings.output)) return objection->message;
  const auto journal = read_journal(settings.output / OutputFolder::kJournal);
  if (!journal.ok() || !journal->session) return settings.output.string();
  const std::string folder = settings.output.string();
  if (journal->complete()) return fmt::format("{}, where everything is done", folder);
  return fmt::format("{}, where {} are done: the run would go on there", folder,
                     format_number_of(journal->done.size(), "record"));
}

/// What the stages need on one device, by their own word.
std::string need_on(const Pipeline& pipeline, DeviceId device) {
  std::uint64_t known = 0;
  std::string unknown;
  for (const PipelineStage& stage : pipeline.stages()) {
    if (std::find(stage.devices.begin(), stage.devices.end(), device) == stage.devices.end()) {
      continue;
    }
    const std::uint64_t bytes = stage.device_bytes_on(device);
    known += bytes;
    if (bytes == 0) unknown += (unknown.empty() ? "" : ", ") + stage.id;
  }
  if (unknown.empty()) return "about " + byte_size_text(known);
  return known == 0 ? "not known"
                    : fmt::format("about {}, and what {} needs, which is not known",
                                  byte_size_text(known), unknown);
}

std::string device_memory(const Pipeline& pipeline) {
  std::map<std::string, std::vector<DeviceId>> by_need;
  for (const PipelineStage& stage : pipeline.stages()) {
    for (const DeviceId device : stage.devices) {
      auto& alike = by_need[need_on(pipeline, device)];
      if (std::find(alike.begin(), alike.end(), device) == alike.end()) alike.push_back(device);
    }
  }
  if (by_need.empty()) return "";
  const bool limited = pipeline.settings().memory_limit_on_devices().limits();
  std::string text;
  for (const auto& [need, devices] : by_need) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", list_devices(devices), need);
  }
  text += limited ? fmt::format("; limited to {} (run.device_memory_limit)",
                                pipeline.settings().device_memory_limit)
                  : "; no limit (run.device_memory_limit)";
  return text;
}

}  // namespace

std::string list_devices(const std::vector<DeviceId>& devices) {
  std::vector<DeviceId> sorted = devices;
  std::sort(sorted.begin(), sorted.end());
  std::string text;
  for (std::size_t i = 0; i < sorted.size();) {
    std::size_t end = i + 1;
    while (end < sorted.size() && sorted[end].kind == sorted[i].kind &&
           sorted[end].index == sorted[end - 1].index + 1) {
      ++end;
    }
    text += (text.empty() ? "" : ", ") + sorted[i].text();
    if (end - i > 1) text += fmt::format("-{}", sorted[end - 1].index);
    i = end;
  }
  return text;
}

std::string plan_text(const Pipeline& pipeline, bool colour) {
  const RunSettings& settings = pipeline.settings();
  std::string text = fmt::format("{} ({})\n\n{}\n", paint(pipeline.name(), Style::kBold, colour),
                                 pipeline.file(), stages_text(pipeline, colour));
  text += fmt::format("  output:         {}\n", output_text(settings));
  text += fmt::format("  seed:           {}\n", settings.seed);
  text += fmt::format(
      "  host memory:    at most {} of payloads (run.memory_limit) and {} (run.max_in_flight)\n",
      byte_size_text(settings.memory_limit.bytes),
      format_number_of(static_cast<std::uint64_t>(settings.max_in_flight), "record"));
  const std::string devices = device_memory(pipeline);
  if (!devices.empty()) text += fmt::format("  device memory:  {}\n", devices);
  text += fmt::format("  failed records: {} tolerated (run.on_error.max_failed)\n",
                      settings.max_failed);
  return text;
}

}  // namespace flowtts::cli
