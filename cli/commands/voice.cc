#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <flowtts/diagnostics.h>
#include <flowtts/result.h>
#include <fmt/format.h>

#include "cli/child_process.h"
#include "cli/command.h"
#include "cli/commands/voice_check.h"
#include "cli/data_folder.h"
#include "cli/format.h"
#include "core/config/params.h"
#include "stages/neural/card.h"
#include "stages/neural/torch_loader.h"
#include "stages/neural/voice.h"
#include "stages/neural/voice_cache.h"

namespace flowtts::cli {
namespace {

const std::vector<std::string> kActions{"compile", "check"};
const std::vector<std::string> kPrecisions{"float32", "float16", "bfloat16"};

struct Arguments {
  std::string action;
  std::string file;
  std::string precision;
  std::vector<std::string> devices;
  std::vector<std::string> texts;
  bool force = false;
  bool json = false;
};

int refuse(const std::string& message) {
  complain(fmt::format("voice: {}\nTry 'flowtts voice --help'.", message));
  return kUsageError;
}

int fail(const Error& error) {
  complain(error.message);
  return kEnvironmentError;
}

/// Where there is a GPU the first, in half precision: there it counts. On a CPU half is slower.
DeviceId usual_device() {
  const std::vector<DeviceInfo> gpus = visible_gpus();
  return gpus.empty() ? DeviceId{} : gpus.front().id;
}

std::string usual_precision(DeviceId device) {
  return device.kind == DeviceKind::kCuda ? "float16" : "float32";
}

/// What is to be compiled, for what.
struct Job {
  VoiceConfig voice;
  VoiceKey key;
  DeviceId device;
  std::filesystem::path torch_folder;
};

std::string python() {
  const char* chosen = std::getenv("FLOWTTS_PYTHON");
  return chosen && *chosen ? chosen : "python3";
}

std::vector<std::string> command_line(const Job& job, const std::string& script) {
  // Without the number, torch's devices and FlowTTS's have one order only where the cards are
  // alike.
  const std::string device =
      job.device.kind == DeviceKind::kCpu ? "cpu" : fmt::format("cuda:{}", job.device.index);
  return {python(),          script,
          "--format",        std::to_string(kVoiceCacheFormat),
          "--voice",         job.voice.name,
          "--voice-hash",    job.voice.hash,
          "--model",         job.voice.model.string(),
          "--render",        job.voice.render_method,
          "--exporter",      job.voice.exporter.string(),
          "--exporter-hash", exporter_hash(job.voice),
          "--precision",     job.key.precision,
          "--device",        device,
          "--card",          job.key.card,
          "--torch-version", job.key.torch_version,
          "--torch-site",    job.torch_folder.parent_path().string(),
          "--folder",        std::filesystem::absolute(cache_folder(job.key)).string()};
}

void report(const CompiledVoice& made, bool was_there) {
  fmt::print("{} in {} for {}: {}\n", made.voice, made.key.precision, made.key.card,
             made.package.string());
  fmt::print("{}, {} in {}; torch {}; at most {:.1e} from the voice itself in a sample\n",
             byte_size_text(made.bytes), was_there ? "was compiled" : "compiled",
             format_duration(made.compile_seconds), made.key.torch_version,
             made.largest_difference);
}

std::optional<CompiledVoice> find(const Job& job) {
  return find_compiled(job.voice, job.key.card, job.key.torch_version, job.key.precision);
}

int compile(const Job& job, bool force) {
  if (const auto there = force ? std::nullopt : find(job)) {
    report(*there, /*was_there=*/true);
    fmt::print("Nothing is to be done; --force compiles it again.\n");
    return 0;
  }
  const auto folder = data_folder();
  if (!folder.ok()) return fail(folder.error());
  const auto child = run_child(command_line(job, (*folder / "voices/compile.py").string()));
  if (!child.ok()) {
    return fail({"no_python", fmt::format("voice compile: {}; it needs Python 3, which "
                                          "FLOWTTS_PYTHON may name",
                                          child.error().message)});
  }
  if (child->status == kUsageError || child->status >= 128) return child->status;
  if (child->status != 0) return kEnvironmentError;  // it has said why
  const auto made = find(job);
  if (!made) {
    return fail({"not_compiled", fmt::format("voice compile: {} has ended well, and left no whole "
                                             "package in {}",
                                             python(), cache_folder(job.key).string())});
  }
  report(*made, /*was_there=*/false);
  return 0;
}

int compile(const Arguments& arguments) {
  if (arguments.devices.size() > 1) return refuse("compile: --device may be given once");
  const std::string wanted = arguments.devices.empty() ? "" : arguments.devices.front();
  const std::optional<DeviceId> device = wanted.empty() ? usual_device() : parse_device(wanted);
  if (!device) {
    return refuse(fmt::format("--device: '{}' is no device; allowed is cpu or cuda:N", wanted));
  }
  const std::string precision =
      arguments.precision.empty() ? usual_precision(*device) : arguments.precision;
  if (std::find(kPrecisions.begin(), kPrecisions.end(), precision) == kPrecisions.end()) {
    return refuse(fmt::format("--precision: '{}' is not allowed; allowed is {}{}", precision,
                              list_words(kPrecisions), did_you_mean(precision, kPrecisions)));
  }
  const auto voice = read_voice(arguments.file, /*hash=*/true);
  if (!voice.ok()) {
    complain(voice.error().message);
    return kUsageError;
  }
  if (voice->exporter.empty()) {
    complain(
        fmt::format("{}: the voice '{}' cannot be compiled: its file has no section "
                    "'compile: {{exporter: FILE.py}}'",
                    arguments.file, voice->name));
    return kUsageError;
  }
  const std::optional<std::string> card = card_name(*device);
  if (!card) {
    return fail({"device_unavailable",
                 fmt::format("there is no {} here; 'flowtts devices' lists what there is",
                             device->text())});
  }
  const auto torch = load_torch_module();
  if (!torch.ok()) return fail(torch.error());
  if (cache_root().empty()) {
    return fail({"no_cache", "there is no folder for the package: set FLOWTTS_CACHE_DIR"});
  }
  const VoiceKey key{voice->hash, *card, (*torch)->torch_version, precision};
  return compile({*voice, key, *device, (*torch)->torch_folder}, arguments.force);
}

/// The first option that belongs to the other action; empty where there is none.
std::string foreign_option(const Arguments& arguments) {
  if (arguments.action == "compile") {
    return arguments.json ? "--json" : arguments.texts.empty() ? "" : "--text";
  }
  return arguments.force ? "--force" : arguments.precision.empty() ? "" : "--precision";
}

int act(const Arguments& arguments) {
  const auto known = std::find(kActions.begin(), kActions.end(), arguments.action);
  if (const std::string option = foreign_option(arguments);
      known != kActions.end() && !option.empty()) {
    return refuse(fmt::format("{} has no option {}", arguments.action, option));
  }
  if (arguments.action == "compile") return compile(arguments);
  if (arguments.action == "check") {
    return check_voice({arguments.file, arguments.devices, arguments.texts, arguments.json});
  }
  return refuse(fmt::format("'{}' is not allowed; allowed is {}{}", arguments.action,
                            list_words(kActions), did_you_mean(arguments.action, kActions)));
}

std::function<int()> prepare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.argument("ACTION", arguments->action, true, "What is to be done: check or compile.");
  options.argument("VOICE", arguments->file, true, "The voice, a YAML file.");
  options.list("--device", "cuda:N|cpu", arguments->devices,
               "Where it is tried, or what it is compiled for. By default every GPU is tried, and "
               "the first is compiled for; the CPU where there is none. For check it may be "
               "repeated.");
  options.list("--text", "TEXT", arguments->texts,
               "check: a sentence to speak in place of FlowTTS's own. May be repeated.");
  options.flag("--json", arguments->json, "check: print what was found as JSON.");
  options.value("--precision", "float32|float16|bfloat16", arguments->precision,
                "compile: what is computed in. By default float16 on a GPU, float32 on a CPU.");
  options.flag("--force", arguments->force, "compile: again what is there already.");
  return [arguments] { return act(*arguments); };
}

}  // namespace

const Command kVoiceCommand{
    "voice",
    "ACTION VOICE [--device NAME]... [--text TEXT]... [--json] [--precision NAME] [--force]",
    "Check whether a voice keeps its promises, or compile it.",
    R"(flowtts voice check VOICE
Loads the voice on each device and speaks some sentences, as a run does: alone, again from the same
seeds, and in batches of two orders. It says what is wrong, what is allowed and what to do: lengths
beyond the audio, silence, samples that are no numbers, a length that the text cannot have, audio
that differs the second time or with its company, tensors on another device. Beside that it prints
how fast the voice is here and what memory it takes. A GPU's speed in a run is higher, since there
batches are full and several are at work.

Exit status: 0 all is well; 1 something is wrong with the voice; 2 the voice file or the command
line was refused; 3 a device or a library is not there.

flowtts voice compile VOICE
Makes machine code of the voice's render part with AOTInductor, which takes one to five minutes,
and keeps it in $FLOWTTS_CACHE_DIR, $XDG_CACHE_HOME/flowtts or ~/.cache/flowtts, by the voice's
content, the card's model, the version of torch, and the precision. A voice is compiled once for
all cards of one model.

The voice's file names a Python file that exports it (compile: {exporter: FILE.py}). That file is
run, with all that a program may do: compile only voices that you trust.

It needs Python 3 (python3, or FLOWTTS_PYTHON) with the torch that FlowTTS runs with, g++, and for a
GPU triton and Python's headers. './flowtts voice compile' in a checkout fetches what is missing.

Examples:
  flowtts voice check configs/voices/default.yaml
  flowtts voice check mine.yaml --device cuda:0 --device cuda:1 --text 'Is this all right?'
  flowtts voice compile configs/voices/default.yaml
  flowtts voice compile configs/voices/default.yaml --precision float32 --device cuda:1
)",
    prepare};

}  // namespace flowtts::cli
