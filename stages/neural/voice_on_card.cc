#include "stages/neural/voice_on_card.h"

#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "stages/neural/card.h"
#include "stages/neural/render_bytes.h"
#include "stages/neural/torch/render_shapes.h"
#include "stages/neural/voice_cache.h"

namespace flowtts {
namespace {

constexpr double kMebi = 1 << 20;

/// The fastest package that the parameters allow.
std::optional<CompiledVoice> find_package(const VoiceConfig& voice, const std::string& card,
                                          const std::string& precision,
                                          const std::string& compiled) {
  if (compiled == "never" || voice.render_method.empty()) return std::nullopt;
  const std::vector<std::string> all{"float16", "bfloat16", "float32"};
  for (const std::string& one : precision == "auto" ? all : std::vector<std::string>{precision}) {
    if (auto found = find_compiled(voice, card, FLOWTTS_TORCH_VERSION, one)) return found;
  }
  return std::nullopt;
}

}  // namespace

void note_voice_on_card(const VoiceConfig& voice, const std::string& precision,
                        const std::string& compiled, Checker& checker) {
  const auto card = card_name({DeviceKind::kCuda, 0});
  if (!card) return;
  const auto package = find_package(voice, *card, precision, compiled);
  if (package) {
    checker.note(fmt::format("compiled for {} in {}", *card, package->key.precision));
  } else if (compiled != "never" && !voice.exporter.empty()) {
    checker.note(
        fmt::format("not compiled for {}: `flowtts voice compile {}` makes it several times "
                    "as fast there",
                    *card, voice.file.string()));
  }
  const VoiceKey key{voice.hash, *card, FLOWTTS_TORCH_VERSION,
                     package ? package->key.precision : "torchscript"};
  if (const auto bytes = known_render_bytes(key)) {
    const double most = static_cast<double>(bytes->of(1, kMostCells));
    checker.note(fmt::format(
        "measured on {}: a render takes {:.0f} MiB and {:.1f} KiB for each row "
        "and frame, at most {:.0f} MiB a lane; weights {:.0f} MiB",
        *card, bytes->fixed / kMebi, bytes->per_cell / 1024, most / kMebi, bytes->weights / kMebi));
    if (bytes->batch_dependent) {
      checker.warning("voice",
                      fmt::format("on {} a sentence's samples depend on the sentences in its "
                                  "batch: another run may differ in the last digits",
                                  *card));
    }
    checker.device_bytes(static_cast<std::uint64_t>(bytes->weights),
                         static_cast<std::uint64_t>(most) / DeviceShare{}.max_items);
  } else {
    checker.note(
        fmt::format("the memory that it takes on {} is measured when it is first loaded; "
                    "until then it is estimated",
                    *card));
  }
}

}  // namespace flowtts
