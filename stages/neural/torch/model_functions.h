#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <torch/script.h>

#include <flowtts/result.h>

#include "stages/neural/torch/model_arguments.h"
#include "stages/neural/torch/output_choice.h"
#include "stages/neural/voice.h"

namespace flowtts {

/// A function of a model that lies on a device: a method of a TorchScript module, or a model of an
/// AOTInductor package. Called by the device's lanes at the same time, with the device bound. It
/// throws, or tells by its Error, what fails.
struct ModelFunction {
  std::string what;  ///< "the model's method 'forward'": for messages.
  std::function<Result<c10::IValue>(std::vector<c10::IValue>)> call;

  explicit operator bool() const { return call != nullptr; }
};

/// All that the engine needs of a model, wherever its functions come from.
struct ModelFunctions {
  std::string format;        ///< The voice's; what is measured of renders is kept by it.
  std::string numerics;      ///< As VoiceEngine's.
  ModelFunction first;       ///< `forward`, or `plan` of a model in two parts.
  ModelArguments arguments;  ///< What `first` is given.
  OutputChoice outputs;      ///< What it returns, in a model in one part.
  ModelFunction render;      ///< None in a model in one part.
  /// The least that a size may be which is not the same for all calls: torch.export takes 0 and 1
  /// for constants.
  std::int64_t least_size = 1;
};

/// The fatal Error "voice_not_loaded", which names the voice and its model.
Error cannot_load(const VoiceConfig& voice, std::string_view reason);

}  // namespace flowtts
