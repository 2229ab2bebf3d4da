#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/child_process.h"
#include "cli/command.h"
#include "cli/compare_child.h"
#include "cli/compare_run.h"
#include "cli/signals.h"

namespace flowtts::cli {
namespace {

struct Arguments {
  std::string voice;
  std::string input;
  std::string output;
  std::string folder;
  std::string texts;
  std::string max_words;
  std::string seed;
};

template <class Number>
bool parse(const std::string& text, Number& number) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size();
}

/// The caller's end of stdout. Whatever libraries print goes to stderr from now on.
FILE* take_stdout() {
  FILE* result = ::fdopen(::dup(STDOUT_FILENO), "w");
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return result;
}

int speak(const Arguments& arguments) {
  end_with_parent();
  ComparePlan plan;
  plan.input = arguments.input;
  plan.output = arguments.output;
  if (!parse(arguments.texts, plan.records) || !parse(arguments.max_words, plan.max_words) ||
      !parse(arguments.seed, plan.seed)) {
    complain("compare-voice: --texts, --max-words and --seed are whole numbers");
    return kUsageError;
  }
  FILE* result = take_stdout();
  if (!result) return kEnvironmentError;
  const SignalGuard signals([](int) {});
  const CompareOutcome outcome =
      speak_compared(plan, arguments.voice, arguments.folder, signals.token());
  fmt::print(result, "{}\n", outcome_json(outcome));
  std::fclose(result);
  if (outcome.exits_hard) {
    // What libraries do at exit could wait for threads that do not come back.
    std::fflush(nullptr);
    std::_Exit(0);
  }
  return 0;
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("VOICE", arguments->voice, true, "The voice's YAML file.");
  options.value("--input", "FILE", arguments->input, "Conversations.");
  options.value("--output", "DIR", arguments->output, "The folder of all voices.");
  options.value("--folder", "NAME", arguments->folder, "The voice's folder in it.");
  options.value("--texts", "N", arguments->texts, "How many conversations are spoken.");
  options.value("--max-words", "N", arguments->max_words, "Of a sentence.");
  options.value("--seed", "N", arguments->seed, "Of the run.");
  return [arguments] { return speak(*arguments); };
}

}  // namespace

const Command kCompareVoiceCommand{
    kCompareVoiceName,
    "VOICE --input FILE --output DIR --folder NAME --texts N --max-words N --seed N",
    "Speak with one voice for 'flowtts compare', which calls it.",
    "What has become of the run is JSON on stdout.\n", prepare};

}  // namespace flowtts::cli
