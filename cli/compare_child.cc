#include "cli/compare_child.h"

#include <cstring>
#include <utility>
#include <vector>

#include <flowtts/json.h>
#include <fmt/format.h>

#include "cli/child_process.h"
#include "core/json_value.h"

namespace flowtts::cli {
namespace {

std::vector<std::string> command_line(const ComparePlan& plan, const ComparedVoice& voice) {
  return {"/proc/self/exe",
          kCompareVoiceName,
          voice.file.string(),
          "--input",
          plan.input.string(),
          "--output",
          plan.output.string(),
          "--folder",
          voice.folder,
          "--texts",
          std::to_string(plan.records),
          "--max-words",
          std::to_string(plan.max_words),
          "--seed",
          std::to_string(plan.seed)};
}

CompareOutcome run_in_child(const ComparePlan& plan, const ComparedVoice& voice,
                            const std::stop_token& stop) {
  const auto child = run_child(command_line(plan, voice), stop);
  if (child.is_error()) {
    CompareOutcome outcome;
    outcome.problem = child.error().message;
    return outcome;
  }
  return outcome_of_child(child->output, child->status, child->signal, stop.stop_requested());
}

}  // namespace

void speak_in_child(const ComparePlan& plan, ComparedVoice& voice, const std::stop_token& stop) {
  CompareOutcome outcome = run_in_child(plan, voice, stop);
  voice.problem = std::move(outcome.problem);
  voice.refused = outcome.refused;
  voice.host_bytes = outcome.host_bytes;
  if (voice.refused) return;
  const auto unread = read_compared(plan.output / voice.folder, voice);
  if (unread && voice.problem.empty()) voice.problem = unread->message;
  // Figures of a run that ended before its first sentence would say nothing.
  if (!voice.problem.empty() && voice.sentences.empty()) voice.figures.reset();
}

std::string outcome_json(const CompareOutcome& outcome) {
  JsonWriter json;
  json.begin_object()
      .field("problem", outcome.problem)
      .field("refused", outcome.refused)
      .field("host_bytes", outcome.host_bytes)
      .end_object();
  return std::string(json.text());
}

CompareOutcome outcome_of_child(const std::string& output, int status, int signal,
                                bool interrupted) {
  CompareOutcome outcome;
  const JsonValue told = JsonValue::parse(output);
  if (const auto problem = told["problem"].text()) {
    outcome.problem = *problem;
    outcome.refused = told["refused"].flag().value_or(false);
    outcome.host_bytes = told["host_bytes"].number().value_or(0);
  } else if (interrupted) {
    outcome.problem = "interrupted";
  } else if (signal != 0) {
    outcome.problem =
        fmt::format("its process was ended by signal {} ({})", signal, ::strsignal(signal));
  } else {
    outcome.problem = fmt::format("its process ended with status {} before its run did", status);
  }
  return outcome;
}

}  // namespace flowtts::cli
