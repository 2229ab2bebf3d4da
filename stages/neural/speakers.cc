#include "stages/neural/speakers.h"

#include <algorithm>
#include <numeric>

#include <flowtts/diagnostics.h>
#include <fmt/format.h>

namespace flowtts {
namespace {

constexpr std::string_view kRandom = "random";

Error unknown(const VoiceConfig& voice, const std::string& name) {
  std::vector<std::string> known = voice.speakers;
  known.emplace_back(kRandom);
  return {"unknown_speaker",
          fmt::format("voice '{}' has no speaker '{}'; allowed is {}{}", voice.name, name,
                      list_words(known), did_you_mean(name, known))};
}

}  // namespace

Result<std::vector<std::int64_t>> choose_speakers(const VoiceConfig& voice,
                                                  std::span<const std::string> names) {
  if (names.empty()) return Error{"unknown_speaker", "no speaker is given; 'random' takes all"};
  std::vector<std::int64_t> ids;
  for (const std::string& name : names) {
    const auto found = std::find(voice.speakers.begin(), voice.speakers.end(), name);
    if (found != voice.speakers.end()) {
      ids.push_back(found - voice.speakers.begin());
    } else if (name != kRandom) {
      return unknown(voice, name);
    } else if (names.size() > 1) {
      return Error{"unknown_speaker",
                   "'random' stands alone: it takes all of the voice's speakers"};
    }
  }
  if (ids.empty()) {
    ids.resize(voice.speakers.size());
    std::iota(ids.begin(), ids.end(), std::int64_t{0});
  }
  return ids;
}

std::int64_t draw_speaker(std::span<const std::int64_t> speakers, const Item& item,
                          std::uint32_t turn) {
  return speakers[item.draw("speaker", turn) % speakers.size()];
}

}  // namespace flowtts
