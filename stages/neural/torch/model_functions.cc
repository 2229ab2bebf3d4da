#include "stages/neural/torch/model_functions.h"

#include <c10/util/StringUtil.h>

namespace flowtts {

Error cannot_load(const VoiceConfig& voice, std::string_view reason) {
  return {"voice_not_loaded",
          c10::str("voice '", voice.name, "': ", voice.model.string(), ": ", reason), false, true};
}

}  // namespace flowtts
