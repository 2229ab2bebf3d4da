#include "stages/neural/voice_checks.h"

#include <string>

namespace flowtts {

std::optional<VoiceConfig> check_voice(const std::filesystem::path& file, Checker& checker) {
  Result<VoiceConfig> voice = read_voice(file, /*hash=*/false);
  if (voice.ok()) return std::move(voice).value();
  const std::string& lines = voice.error().message;
  for (std::size_t begin = 0; begin <= lines.size();) {
    const std::size_t end = std::min(lines.find('\n', begin), lines.size());
    checker.error("voice", lines.substr(begin, end - begin));
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace flowtts
