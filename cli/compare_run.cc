#include "cli/compare_run.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <flowtts/run.h>
#include <fmt/format.h>

#include "cli/past_run.h"
#include "cli/run_view.h"
#include "cli/terminal.h"
#include "core/json_value.h"
#include "core/line_file.h"
#include "stages/audio/audio_gate.h"
#include "stages/neural/worker/host_memory.h"

namespace flowtts::cli {
namespace {

/// pipelines/align.yaml with a fixed number of records, and with files under plain names. What does
/// not pass the gate is what the page is there to show: it fails no run.
constexpr std::string_view kPipeline = R"(flowtts: 1
name: compare
vars: {input: "", output: "", voice: ""}
run: {seed: 42, output: "${output}", on_error: {retries: 2, max_failed: 100%}}
stages:
  - {id: load,       type: load_conversations, with: {path: "${input}"}}
  - {id: sample,     type: sample,             with: {count: 20}}
  - {id: clean,      type: clean_text,         concurrency: auto}
  - {id: split,      type: split_sentences,    concurrency: auto, with: {max_words: 40, roles: [human]}}
  - {id: phonemize,  type: phonemize,          concurrency: auto, with: {voice: "${voice}"}}
  - {id: synthesize, type: synthesize,         devices: auto, with: {voice: "${voice}"}}
  - {id: resample,   type: resample,           concurrency: auto, with: {rate: 22050, encoding: pcm_16}}
  - {id: check,      type: check_audio,        concurrency: auto, with: {voice: "${voice}"}}
  - {id: write,      type: write_audio,        concurrency: auto, with: {name: "{index}_{turn}_{sentence}"}}
  - {id: manifest,   type: write_manifest}
)";

/// The most memory that this process and its children have together beyond what they had at first,
/// asked now and then.
class MemoryWatch {
 public:
  MemoryWatch() : first_(now()), thread_([this](const std::stop_token& stop) { watch(stop); }) {}

  std::uint64_t most() {
    look();
    const std::lock_guard lock(mutex_);
    return most_ > first_ ? most_ - first_ : 0;
  }

 private:
  void watch(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      look();
      std::unique_lock lock(mutex_);
      ended_.wait_for(lock, stop, std::chrono::milliseconds(200), [] { return false; });
    }
  }

  void look() {
    const std::uint64_t bytes = now();
    const std::lock_guard lock(mutex_);
    most_ = std::max(most_, bytes);
  }

  static std::uint64_t now() {
    std::uint64_t bytes = process_memory(getpid()).now;
    for (const pid_t child : children()) bytes += process_memory(child).now;
    return bytes;
  }

  static std::vector<pid_t> children() {
    std::vector<pid_t> all;
    std::error_code unreadable;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", unreadable)) {
      std::ifstream list(thread.path() / "children");
      all.insert(all.end(), std::istream_iterator<pid_t>(list), std::istream_iterator<pid_t>());
    }
    return all;
  }

  const std::uint64_t first_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::uint64_t most_ = 0;
  std::jthread thread_;  // ends first
};

std::optional<Pipeline> compile(const ComparePlan& plan, const ComparedVoice& voice,
                                Diagnostics& diagnostics) {
  Pipeline::Options options;
  options.overrides = {text_override("vars.input", plan.input.string()),
                       text_override("vars.output", (plan.output / voice.folder).string()),
                       text_override("vars.voice", voice.file.string()),
                       fmt::format("run.seed={}", plan.seed),
                       fmt::format("sample.count={}", plan.records),
                       fmt::format("split.max_words={}", plan.max_words)};
  return Pipeline::parse(kPipeline, "compare", options, diagnostics);
}

std::string errors_of(const Diagnostics& diagnostics) {
  std::string text;
  for (const Diagnostic& one : diagnostics.sorted()) {
    if (one.severity == Severity::kError) text += (text.empty() ? "" : "; ") + one.message;
  }
  return text;
}

bool lost_a_device(const RunReport& report) {
  for (const StageReport& stage : report.stages) {
    for (const DeviceReport& device : stage.devices) {
      if (!device.lost.empty()) return true;
    }
  }
  return false;
}

double real(const JsonValue& value) { return value.real().value_or(0); }
std::uint64_t whole(const JsonValue& value) { return value.number().value_or(0); }
std::string text(const JsonValue& value) { return value.text().value_or(""); }

std::optional<CompareFigures> read_figures(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(stream), {});
  const JsonValue run = JsonValue::parse(bytes);
  if (!run) return std::nullopt;
  CompareFigures figures;
  figures.written = whole(run["items"]["written"]);
  for (const auto& [reason, count] : run["retaken_items"].members()) {
    figures.retaken += whole(count);
  }
  figures.audio_seconds = real(run["media_seconds"]);
  figures.load_seconds = real(run["start_seconds"]);
  if (whole(run["records_done_before"]) == 0) {
    figures.work_seconds = std::max(0.0, real(run["seconds"]) - figures.load_seconds);
  }
  const JsonValue stages = run["stages"];
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const JsonValue devices = stages.at(i)["devices"];
    for (std::size_t k = 0; k < devices.size(); ++k) {
      figures.numerics = text(devices.at(k)["numerics"]);
      figures.device_bytes += whole(devices.at(k)["memory"]["peak_bytes"]);
    }
  }
  return figures;
}

ComparedSentence read_sentence(const std::string& record, const JsonValue& value) {
  ComparedSentence sentence;
  sentence.record = record;
  sentence.text = text(value["spoken"]);
  sentence.audio = text(value["audio"]);
  sentence.seconds = real(value["seconds"]);
  sentence.speaker = text(value["speaker"]);
  if (!sentence.audio.empty()) return sentence;
  const std::string error = text(value["error"]);
  sentence.reason = error.empty() ? text(value["reason"]) : error;
  sentence.message = text(value["message"]);
  return sentence;
}

void read_record(std::string_view line, std::map<SentencePlace, ComparedSentence>& sentences) {
  const JsonValue record = JsonValue::parse(line);
  const JsonValue id = record["id"];
  const std::string name = id.text().value_or(id.json());
  const JsonValue turns = record["messages"] ? record["messages"] : record["conversations"];
  for (std::size_t turn = 0; turn < turns.size(); ++turn) {
    const JsonValue pieces = turns.at(turn)["sentences"];
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      sentences[{whole(record["index"]), turn, i}] = read_sentence(name, pieces.at(i));
    }
  }
}

/// What is in the manifest and not in run.json.
void count_sentences(const ComparedVoice& voice, CompareFigures& figures) {
  std::vector<double> each;
  for (const auto& [place, sentence] : voice.sentences) {
    if (sentence.audio.empty()) ++figures.failures[sentence.reason];
    const std::uint64_t characters = length_of(sentence.text).characters;
    if (!sentence.audio.empty() && characters > 0) {
      each.push_back(sentence.seconds / static_cast<double>(characters));
    }
  }
  if (each.empty()) return;
  std::sort(each.begin(), each.end());
  figures.least_per_character = each.front();
  figures.usual_per_character = each[each.size() / 2];
  figures.most_per_character = each.back();
}

}  // namespace

bool speak_compared(const ComparePlan& plan, ComparedVoice& voice, const std::stop_token& stop) {
  Diagnostics diagnostics;
  std::optional<Pipeline> pipeline = compile(plan, voice, diagnostics);
  if (!pipeline) {
    voice.problem = errors_of(diagnostics);
    voice.refused = true;
    return false;
  }
  const RunView::Mode mode = RunView::mode_for(Terminal(stderr), /*quiet=*/false);
  RunView view(mode);
  RunOptions options;
  options.observer = &view;
  options.stop = stop;
  options.progress_every_s = RunView::progress_every_s(mode);
  MemoryWatch memory;
  const RunReport report = run(*pipeline, options);
  view.close();
  if (!report.already_complete) voice.host_bytes = memory.most();
  const bool exits_hard = report.abandoned_threads > 0 || lost_a_device(report);
  if (report.error) voice.problem = report.error->message;
  if (report.status == RunStatus::kInterrupted) voice.problem = "interrupted";
  // A folder that was refused holds something else.
  voice.refused = report.status == RunStatus::kRefused;
  if (voice.refused) {
    voice.problem += "\n(compare: by another --output)";
    return exits_hard;
  }
  const auto unread = read_compared(plan.output / voice.folder, voice);
  if (unread && voice.problem.empty()) voice.problem = unread->message;
  // Figures of a run that ended before its first sentence would say nothing.
  if (!voice.problem.empty() && voice.sentences.empty()) voice.figures.reset();
  return exits_hard;
}

std::optional<Error> read_compared(const std::filesystem::path& folder, ComparedVoice& voice) {
  const auto lines = for_each_line(folder / "manifest.jsonl", [&](std::string_view line, bool) {
    read_record(line, voice.sentences);
  });
  if (lines) return lines;
  voice.figures = read_figures(folder / "run.json");
  if (!voice.figures) {
    return Error{"no_run", fmt::format("{} has no run.json", folder.string())};
  }
  count_sentences(voice, *voice.figures);
  return std::nullopt;
}

}  // namespace flowtts::cli
