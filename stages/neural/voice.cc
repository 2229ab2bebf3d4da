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
  std::map<std::string, VoiceFormat> by_name;  ///< Nothing is ever taken out.
};

/// Made at the first use, since static initialisers of other files register formats.
Formats& formats() {
  static Formats instance;
  return instance;
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

void register_voice_format(VoiceFormat format) {
  const std::lock_guard lock(formats().mutex);
  std::string name = format.name;
  const auto [place, added] = formats().by_name.emplace(std::move(name), std::move(format));
  if (!added) {
    throw std::logic_error(fmt::format("voice format '{}' is registered twice", place->first));
  }
}

const VoiceFormat* find_voice_format(const std::string& name) {
  const std::lock_guard lock(formats().mutex);
  const auto found = formats().by_name.find(name);
  return found == formats().by_name.end() ? nullptr : &found->second;
}

std::vector<std::string> voice_formats() {
  const std::lock_guard lock(formats().mutex);
  std::vector<std::string> names;
  for (const auto& [name, format] : formats().by_name) names.push_back(name);
  return names;
}

Result<std::shared_ptr<VoiceEngine>> open_voice(const VoiceConfig& voice, DeviceId device,
                                                const VoiceOptions& options) {
  const VoiceFormat* format = find_voice_format(voice.format);
  if (!format) {
    const std::vector<std::string> known = voice_formats();
    return Error{"unknown_voice_format",
                 fmt::format("voice '{}' has the format '{}'; allowed is {}{}", voice.name,
                             voice.format, list_words(known), did_you_mean(voice.format, known)),
                 false, true};
  }
  return format->factory(voice, device, options);
}

}  // namespace flowtts
