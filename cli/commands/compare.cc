#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/compare_page.h"
#include "cli/compare_run.h"
#include "cli/format.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "core/atomic_file.h"
#include "stages/io/conversation_reader.h"

namespace flowtts::cli {
namespace {

constexpr const char* kUsualInput = "examples/data/conversations.json";

struct Arguments {
  std::vector<std::string> voices;
  std::string texts = "20";
  std::string input = kUsualInput;
  std::string output = "out/compare";
};

int refuse(const std::string& message) {
  complain(fmt::format("compare: {}\nTry 'flowtts compare --help'.", message));
  return kUsageError;
}

std::vector<std::string> split_at_commas(const std::vector<std::string>& lists) {
  std::vector<std::string> all;
  for (const std::string& list : lists) {
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t end = std::min(list.find(',', begin), list.size());
      if (end > begin) all.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return all;
}

std::optional<std::uint64_t> parse_count(const std::string& text) {
  std::uint64_t count = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool whole = failed == std::errc() && end == text.data() + text.size();
  return whole && count > 0 ? std::optional(count) : std::nullopt;
}

/// So many conversations, or as many as the file has.
Result<std::uint64_t> count_conversations(const std::filesystem::path& file, std::uint64_t most) {
  auto reader = ConversationReader::open(file.string());
  if (!reader.ok()) return reader.error();
  std::uint64_t count = 0;
  // One that is kept, or is none, is returned; the others are passed over.
  while (count < most && reader->next([&](const RecordKey&) { return ++count == most; })) {
  }
  if (reader->failure()) return *reader->failure();
  return count;
}

/// A folder's name after a voice's: of letters, digits, '.', '-' and '_', and not there yet.
std::string folder_for(const std::string& name, const std::vector<ComparedVoice>& others) {
  std::string folder;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || (c == '.' && !folder.empty());
    folder += plain ? c : '_';
  }
  const auto taken = [&](const std::string& wanted) {
    return wanted == "index.html" ||
           std::any_of(others.begin(), others.end(),
                       [&](const ComparedVoice& other) { return other.folder == wanted; });
  };
  std::string free = folder;
  for (int number = 2; taken(free); ++number) free = fmt::format("{}-{}", folder, number);
  return free;
}

std::vector<ComparedVoice> read_voices(const std::vector<std::string>& files, ComparePlan& plan) {
  std::vector<ComparedVoice> voices;
  for (const std::string& file : files) {
    ComparedVoice voice;
    voice.file = file;
    voice.name = std::filesystem::path(file).stem().string();
    const auto config = read_voice(file, /*hash=*/true);
    if (config.ok()) {
      voice.config = *config;
      voice.name = config->label();
      voice.folder = folder_for(config->name, voices);
      // All are to be given the same sentences, so that the shortest of breath decides.
      if (config->max_words > 0) plan.max_words = std::min(plan.max_words, config->max_words);
    } else {
      voice.problem = config.error().message;
      voice.refused = true;
      complain(voice.problem);
    }
    voices.push_back(std::move(voice));
  }
  return voices;
}

void print_summary(const std::vector<ComparedVoice>& voices, const std::filesystem::path& page) {
  Table table(
      {"voice", "sentences", "rejected", "audio", "s of audio a second", "usual s a character"},
      {"sentences", "rejected", "audio", "s of audio a second", "usual s a character"});
  for (const ComparedVoice& voice : voices) {
    if (!voice.figures) {
      table.add({voice.name, "not spoken", "", "", "", ""});
      continue;
    }
    const CompareFigures& figures = *voice.figures;
    std::uint64_t rejected = 0;
    for (const auto& [reason, count] : figures.failures) {
      if (reason.starts_with("rejected_")) rejected += count;
    }
    table.add(
        {voice.name, format_count(figures.written), format_count(rejected),
         format_duration(figures.audio_seconds),
         figures.work_seconds > 0 ? format_rate(figures.audio_seconds / figures.work_seconds) : "",
         fmt::format("{:.3f}", figures.usual_per_character)});
  }
  fmt::print("{}\nListen: {}\n", table.text(Terminal(stdout).colour(), 0), page.string());
}

int status_of(const std::vector<ComparedVoice>& voices, int signal) {
  if (signal != 0) return 128 + signal;
  const auto all = [&](const auto& is) { return std::all_of(voices.begin(), voices.end(), is); };
  if (all([](const ComparedVoice& voice) { return voice.problem.empty(); })) return 0;
  if (all([](const ComparedVoice& voice) { return voice.refused; })) return kUsageError;
  if (all([](const ComparedVoice& voice) { return !voice.figures; })) return kEnvironmentError;
  return 1;
}

int compare(const Arguments& arguments) {
  const std::vector<std::string> files = split_at_commas(arguments.voices);
  if (files.empty()) return refuse("--voices is missing: the voices' files, parted by commas");
  ComparePlan plan;
  const auto count = parse_count(arguments.texts);
  if (!count) {
    return refuse(
        fmt::format("--texts: found '{}'; allowed is a whole number from 1 on", arguments.texts));
  }
  plan.records = *count;
  plan.input = arguments.input;
  plan.output = arguments.output;
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(plan.input, unreadable)) {
    return refuse(
        fmt::format("there is no file {}; --input names conversations to take the "
                    "sentences from, JSON or JSON Lines",
                    plan.input.string()));
  }
  const auto there = count_conversations(plan.input, plan.records);
  if (!there.ok()) {
    complain(fmt::format("compare: {}: {}", plan.input.string(), there.error().message));
    return kUsageError;
  }
  if (*there == 0) return refuse(plan.input.string() + " has no conversation to take texts from");
  plan.records = *there;

  const SignalGuard signals([](int) { complain("signal received; a second one ends at once"); });
  std::vector<ComparedVoice> voices = read_voices(files, plan);
  bool exits_hard = false;
  for (ComparedVoice& voice : voices) {
    if (!voice.config) continue;
    if (signals.first() != 0) {
      voice.problem = "interrupted before this voice's turn";
      continue;
    }
    fmt::print(stderr, "{}:\n", voice.name);
    exits_hard = speak_compared(plan, voice, signals.token()) || exits_hard;
    if (!voice.problem.empty()) complain(fmt::format("{}: {}", voice.name, voice.problem));
  }
  const int status = status_of(voices, signals.first());
  if (std::any_of(voices.begin(), voices.end(), [](const auto& voice) { return voice.figures; })) {
    const std::filesystem::path page = plan.output / "index.html";
    if (const auto failed = write_file(page, compare_page(plan, voices), {})) {
      complain(failed->message);
      return kEnvironmentError;
    }
    print_summary(voices, page);
  }
  if (exits_hard) {
    // What libraries do at exit could wait for threads that do not come back.
    std::fflush(nullptr);
    std::_Exit(status);
  }
  return status;
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.list("--voices", "FILE,FILE...", arguments->voices,
               "The voices' YAML files. May be repeated.");
  options.value("--texts", "N", arguments->texts,
                "How many conversations of the input are spoken, drawn at random. By default 20.");
  options.value("--input", "FILE", arguments->input,
                "Conversations, as the stage load_conversations reads them. By default the "
                "example's.");
  options.value("--output", "DIR", arguments->output,
                "Where index.html and a folder for each voice go. By default out/compare.");
  return [arguments] { return compare(*arguments); };
}

}  // namespace

const Command kCompareCommand{
    "compare", "--voices FILE,FILE... [--texts N] [--input FILE] [--output DIR]",
    "Speak the same sentences with several voices, to listen to side by side.",
    R"(Runs the align pipeline with each voice in turn, on every GPU or the CPU, into DIR/VOICE: the same
conversations, cleaned and split in the same way, at most 40 words a sentence or what the voice with
the lowest limit takes. DIR/index.html then has a row for each sentence and a column for each voice,
with its speed, memory, seconds a character and what check_audio rejected. The page takes nothing
from the network; the folder can be moved or put on a server as it is.

The same command goes on where it was interrupted, and makes nothing twice. With other sentences or
a changed voice it needs another --output.

A voice that cannot be loaded does not keep the others from being spoken.

Exit status: 0 all voices spoke; 1 some did, or did not finish; 2 every voice's file or folder was
refused, or the command line was; 3 no voice could be loaded, or the page cannot be written.

Examples:
  flowtts compare --voices configs/voices/default.yaml,configs/voices/tones.yaml
  flowtts compare --voices a.yaml,b.yaml,c.yaml --texts 50 --input chats.json --output out/abc
)",
    prepare};

}  // namespace flowtts::cli
