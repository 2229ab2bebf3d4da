#include "cli/commands/voice_check.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <flowtts/json.h>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "core/config/params.h"
#include "stages/neural/trial_texts.h"
#include "stages/neural/voice.h"
#include "stages/neural/voice_trial.h"

namespace flowtts::cli {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kIndent = 4;

/// What came of a device: a trial, or why there was none.
struct Tried {
  DeviceId device;
  Result<VoiceTrial> trial;
};

std::optional<std::vector<DeviceId>> devices_of(const std::vector<std::string>& names) {
  std::vector<DeviceId> devices;
  for (const std::string& name : names) {
    const auto device = parse_device(name);
    if (!device) {
      complain(
          fmt::format("voice: --device: '{}' is no device; allowed is cpu or cuda:N\nTry "
                      "'flowtts voice --help'.",
                      name));
      return std::nullopt;
    }
    if (std::find(devices.begin(), devices.end(), *device) == devices.end()) {
      devices.push_back(*device);
    }
  }
  return devices;
}

/// Every GPU where the voice can use one, else the CPU.
std::vector<DeviceId> usual_devices(const VoiceConfig& voice) {
  const VoiceFormat* format = find_voice_format(voice.format);
  std::vector<DeviceId> devices;
  if (format == nullptr || format->runtime != "host") {
    for (const DeviceInfo& gpu : visible_gpus()) devices.push_back(gpu.id);
  }
  if (devices.empty()) devices.push_back({});
  return devices;
}

// --- as text
// -------------------------------------------------------------------------------------------------

void print_figures(const VoiceTrial& trial) {
  const auto line = [](std::string_view name, const std::string& text) {
    fmt::print("  {:<10}{}\n", name, text);
  };
  line("spoken", fmt::format("{} of {}, {:.1f} s of audio, {}; {}", trial.spoken,
                             format_number_of(trial.sentences, "sentence"), trial.audio_seconds,
                             format_number_of(trial.speakers, "speaker"), trial.numerics));
  std::string speed =
      fmt::format("{} s of audio a second one at a time", format_rate(trial.alone_speed));
  if (trial.batch_speed > 0)
    speed += fmt::format(", {} in batches", format_rate(trial.batch_speed));
  line("speed", speed);
  line("loaded in", format_duration(trial.load_seconds));
  std::string memory = fmt::format("{} of host memory", byte_size_text(trial.host_bytes));
  if (trial.device_bytes > 0) {
    memory += fmt::format(", {} of the device's", byte_size_text(trial.device_bytes));
  }
  line("memory", memory);
  if (trial.spoken == 0) return;
  line("length", fmt::format("{:.3f} to {:.3f} s a character, {:.2f} to {:.2f} s a word",
                             trial.seconds_per_character.low, trial.seconds_per_character.high,
                             trial.seconds_per_word.low, trial.seconds_per_word.high));
  line("level", fmt::format("the quietest sentence {:.1f} dB", trial.quietest_db));
}

void print_text(const Tried& tried, bool colour) {
  const std::string name = paint(tried.device.text(), Style::kBold, colour);
  if (!tried.trial.ok()) {
    fmt::print("{}: not tried\n", name);  // why has gone to stderr
    return;
  }
  const VoiceTrial& trial = *tried.trial;
  const auto faults = static_cast<std::uint64_t>(
      std::count_if(trial.findings.begin(), trial.findings.end(),
                    [](const VoiceFinding& finding) { return finding.fault; }));
  fmt::print("{}: {}\n", name,
             trial.good()
                 ? paint("all is well", Style::kGreen, colour)
                 : paint(faults == 0 ? "nothing was spoken" : format_number_of(faults, "fault"),
                         Style::kRed, colour));
  if (!trial.numerics.empty()) print_figures(trial);
  for (const VoiceFinding& finding : trial.findings) {
    fmt::print("  {} [{}]\n",
               paint(finding.fault ? "fault" : "note", finding.fault ? Style::kRed : Style::kYellow,
                     colour),
               finding.code);
    fmt::print("    {}\n", wrap(finding.message, kWidth, kIndent));
    if (!finding.remedy.empty()) {
      fmt::print("    {}\n", wrap("what to do: " + finding.remedy, kWidth, kIndent));
    }
  }
}

// --- as JSON
// -------------------------------------------------------------------------------------------------

void write_range(JsonWriter& json, std::string_view name, const MeasuredRange& range) {
  json.key(name).begin_array().value(range.low).value(range.high).end_array();
}

void write_trial(JsonWriter& json, const VoiceTrial& trial) {
  json.field("good", trial.good())
      .field("numerics", trial.numerics)
      .field("max_batch", std::uint64_t{trial.max_batch})
      .field("speakers", std::uint64_t{trial.speakers})
      .field("sentences", std::uint64_t{trial.sentences})
      .field("spoken", std::uint64_t{trial.spoken})
      .field("audio_seconds", trial.audio_seconds)
      .field("load_seconds", trial.load_seconds)
      .field("audio_seconds_per_second", trial.alone_speed)
      .field("audio_seconds_per_second_in_batches", trial.batch_speed)
      .field("host_bytes", trial.host_bytes)
      .field("device_bytes", trial.device_bytes)
      .field("quietest_db", trial.quietest_db);
  write_range(json, "seconds_per_character", trial.seconds_per_character);
  write_range(json, "seconds_per_word", trial.seconds_per_word);
  json.key("findings").begin_array();
  for (const VoiceFinding& finding : trial.findings) {
    json.begin_object()
        .field("fault", finding.fault)
        .field("code", finding.code)
        .field("message", finding.message)
        .field("remedy", finding.remedy)
        .end_object();
  }
  json.end_array();
}

void print_json(const VoiceConfig& voice, const std::vector<Tried>& all) {
  JsonWriter json;
  json.begin_object()
      .field("voice", voice.name)
      .field("hash", voice.hash)
      .field("format", voice.format)
      .field("sample_rate", voice.sample_rate);
  json.key("devices").begin_array();
  for (const Tried& tried : all) {
    json.begin_object().field("device", tried.device.text());
    if (tried.trial.ok()) {
      write_trial(json, *tried.trial);
    } else {
      json.field("error", tried.trial.error().message);
    }
    json.end_object();
  }
  json.end_array().end_object();
  fmt::print("{}\n", json.text());
}

int status_of(const std::vector<Tried>& all) {
  const auto any = [&](const auto& is) { return std::any_of(all.begin(), all.end(), is); };
  if (any([](const Tried& tried) { return tried.trial.ok() && !tried.trial->good(); })) return 1;
  if (any([](const Tried& tried) { return !tried.trial.ok(); })) return kEnvironmentError;
  return 0;
}

}  // namespace

std::optional<DeviceId> parse_device(const std::string& text) {
  if (text == "cpu" || text == "cpu:0") return DeviceId{};
  constexpr std::string_view kCuda = "cuda:";
  const std::string digits = text.starts_with(kCuda) ? text.substr(kCuda.size()) : "";
  if (digits.empty() || digits.size() > 3) return std::nullopt;
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return DeviceId{DeviceKind::kCuda, std::stoi(digits)};
}

int check_voice(const VoiceCheckArguments& arguments) {
  auto devices = devices_of(arguments.devices);
  if (!devices) return kUsageError;
  const auto voice = read_voice(arguments.file, /*hash=*/true);
  if (!voice.ok()) {
    complain(voice.error().message);
    return kUsageError;
  }
  const auto texts = trial_texts(*voice, arguments.texts);
  if (!texts.ok()) {
    complain("voice check: " + texts.error().message);
    return kUsageError;
  }
  if (devices->empty()) *devices = usual_devices(*voice);
  const bool colour = Terminal(stdout).colour();
  if (!arguments.json) {
    fmt::print("{} ({}), {} Hz\n", voice->label(), voice->format, voice->sample_rate);
  }
  std::vector<Tried> all;
  for (const DeviceId device : *devices) {
    VoiceTrialOptions options;
    options.device = device;
    options.warn = [](const std::string& words) { complain("warning: " + words); };
    all.push_back({device, try_voice(*voice, *texts, options)});
    if (!all.back().trial.ok()) {
      complain(fmt::format("voice check: {}: {}", device.text(), all.back().trial.error().message));
    }
    if (!arguments.json) print_text(all.back(), colour);
    std::fflush(stdout);
  }
  if (arguments.json) print_json(*voice, all);
  const bool lost = std::any_of(all.begin(), all.end(), [](const Tried& tried) {
    return tried.trial.ok() && tried.trial->lost_device();
  });
  if (lost) {
    std::fflush(nullptr);
    std::_Exit(status_of(all));
  }
  return status_of(all);
}

}  // namespace flowtts::cli
