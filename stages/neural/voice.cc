#include "stages/neural/voice.h"

#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include <flowtts/diagnostics.h>

namespace flowtts {
namespace {

struct Formats {
  std::mutex mutex;
  std::map<std::string, VoiceEngineFactory> factories;
};

/// Made at the first use, since static initialisers of other files register formats.
Formats& formats() {
  static Formats instance;
  return instance;
}

VoiceEngineFactory find_format(const std::string& format) {
  const std::lock_guard lock(formats().mutex);
  const auto found = formats().factories.find(format);
  return found == formats().factories.end() ? nullptr : found->second;
}

}  // namespace

std::vector<Result<VoicePlanPtr>> VoiceEngine::plan(std::span<const VoiceInput>, std::size_t) {
  throw std::logic_error("this engine makes no plans");
}

std::vector<Result<VoiceSound>> VoiceEngine::render(std::span<const VoicePlan* const>,
                                                    std::size_t) {
  throw std::logic_error("this engine renders no plans");
}

std::string VoiceConfig::label() const {
  return hash.empty() ? name : fmt::format("{}@{}", name, hash.substr(0, 8));
}

void register_voice_format(std::string format, VoiceEngineFactory factory) {
  const std::lock_guard lock(formats().mutex);
  const auto [place, added] = formats().factories.emplace(std::move(format), std::move(factory));
  if (!added) {
    throw std::logic_error(fmt::format("voice format '{}' is registered twice", place->first));
  }
}

std::vector<std::string> voice_formats() {
  const std::lock_guard lock(formats().mutex);
  std::vector<std::string> names;
  for (const auto& [name, factory] : formats().factories) names.push_back(name);
  return names;
}

Result<std::shared_ptr<VoiceEngine>> open_voice(const VoiceConfig& voice, DeviceId device,
                                                const VoiceOptions& options) {
  const VoiceEngineFactory factory = find_format(voice.format);
  if (!factory) {
    const std::vector<std::string> known = voice_formats();
    return Error{"unknown_voice_format",
                 fmt::format("voice '{}' has the format '{}'; allowed is {}{}", voice.name,
                             voice.format, list_words(known), did_you_mean(voice.format, known)),
                 false, true};
  }
  return factory(voice, device, options);
}

}  // namespace flowtts
