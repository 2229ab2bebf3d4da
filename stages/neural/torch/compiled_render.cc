#include "stages/neural/torch/compiled_render.h"

#include <optional>
#include <vector>

#include <c10/util/StringUtil.h>
#include <torch/version.h>

#include "stages/neural/card.h"
#include "stages/neural/voice_cache.h"

namespace flowtts {
namespace {

/// What `auto` takes, the fastest first.
std::vector<std::string> precisions(const std::string& wanted) {
  if (wanted != "auto") return {wanted};
  return {"float16", "bfloat16", "float32"};
}

std::string command(const VoiceConfig& voice, const std::string& precision) {
  std::string text = c10::str("flowtts voice compile ", voice.file.string());
  if (precision != "auto") text += " --precision " + precision;
  return text;
}

}  // namespace

Result<CompiledRender> open_compiled_render(const VoiceConfig& voice, DeviceId device,
                                            const VoiceOptions& options) {
  const bool own_render_will_do = options.precision == "auto" || options.precision == "float32";
  const bool wanted = options.compiled == "always" || !own_render_will_do;
  const std::string card = card_name(device).value_or(device.text());
  std::optional<CompiledVoice> found;
  if (options.compiled != "never" && !voice.hash.empty() && !voice.render_method.empty()) {
    for (const std::string& precision : precisions(options.precision)) {
      found = find_compiled(voice, card, TORCH_VERSION, precision);
      if (found) break;
    }
  }
  CompiledRender render;
  if (found) {
    auto renderer =
        AotiRenderer::open(found->package, device, static_cast<std::size_t>(options.share.lanes));
    if (!renderer.ok()) return renderer.error();
    render.renderer = *std::move(renderer);
    render.precision = found->key.precision;
    render.numerics =
        c10::str("compiled ", found->key.precision, " (", card, ", LibTorch ", TORCH_VERSION, ")");
    return render;
  }
  if (wanted) {
    const std::string in = options.precision == "auto" ? std::string() : " in " + options.precision;
    return Error{
        "voice_not_compiled",
        voice.exporter.empty()
            ? c10::str("voice '", voice.name, "' cannot be had", in,
                       ": it names no exporter to be compiled with (compile.exporter)")
            : c10::str("voice '", voice.name, "' is not compiled for ", card, in, " with LibTorch ",
                       TORCH_VERSION, ": run `", command(voice, options.precision), "`"),
        false, true};
  }
  // On a CPU a compiled render part need not be any faster.
  if (device.kind == DeviceKind::kCuda && options.compiled == "auto" && !voice.exporter.empty()) {
    render.advice = c10::str("voice '", voice.name, "' is not compiled for ", card,
                             " and speaks at a fraction of its speed: `", command(voice, "auto"),
                             "` compiles it, once");
  }
  return render;
}

}  // namespace flowtts
