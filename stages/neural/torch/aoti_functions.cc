#include "stages/neural/torch/aoti_functions.h"

#include <memory>
#include <utility>
#include <vector>

#include <c10/util/StringUtil.h>
#include <torch/version.h>

#include "stages/neural/card.h"
#include "stages/neural/torch/aoti_model.h"

namespace flowtts {
namespace {

constexpr std::size_t kPositional = 4;
constexpr std::size_t kRenderInputs = 6;

std::string what_is(const std::string& name) {
  return c10::str("the package's model '", name, "'");
}

/// The tensors as a tuple, or alone as themselves.
c10::IValue bundled(std::vector<at::Tensor> made) {
  if (made.size() == 1) return std::move(made.front());
  std::vector<c10::IValue> parts(made.begin(), made.end());
  return c10::ivalue::Tuple::create(std::move(parts));
}

ModelFunction function_of(const std::string& name, std::shared_ptr<AotiModel> model) {
  return {what_is(name),
          [model = std::move(model)](std::vector<c10::IValue> values) -> Result<c10::IValue> {
            auto made = model->run(tensors_of(values));
            if (!made.ok()) return made.error();
            return bundled(*std::move(made));
          }};
}

Error wrong_count(const VoiceConfig& voice, const std::string& model, std::size_t found,
                  std::string_view expected) {
  return cannot_load(
      voice, c10::str(what_is(model), " takes ", found, " inputs; expected are ", expected));
}

Result<ModelArguments> arguments_of(const VoiceConfig& voice, const std::string& name,
                                    const AotiModel& model) {
  const std::vector<std::string>& inputs = model.inputs();
  if (!voice.io.inputs.empty()) {
    return ModelArguments::of_package(what_is(name), inputs, voice.io);
  }
  if (inputs.size() != kPositional && inputs.size() != kPositional + 1) {
    return wrong_count(voice, name, inputs.size(),
                       "4, or a seed after them, or what `inputs` names in the voice file");
  }
  return ModelArguments::by_position(inputs.size() > kPositional);
}

}  // namespace

std::vector<at::Tensor> tensors_of(const std::vector<c10::IValue>& values) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(values.size());
  for (const c10::IValue& value : values) tensors.push_back(value.toTensor());
  return tensors;
}

Result<ModelFunctions> load_aoti(const VoiceConfig& voice, DeviceId device, std::size_t lanes) {
  const bool two_parts = !voice.render_method.empty();
  const std::string name = two_parts ? voice.plan_method : "model";
  auto first = AotiModel::open(voice.model, name, device, lanes);
  if (!first.ok()) return first.error();
  ModelFunctions functions;
  functions.format = voice.format;
  functions.least_size = 2;
  functions.numerics = c10::str("aoti (", card_name(device).value_or(device.text()), ", LibTorch ",
                                TORCH_VERSION, ")");
  auto arguments = arguments_of(voice, name, **first);
  if (!arguments.ok()) return arguments.error();
  functions.arguments = *std::move(arguments);
  functions.first = function_of(name, *first);
  if (!two_parts) {
    auto outputs = OutputChoice::of_names((*first)->outputs(), voice.io, what_is(name));
    if (!outputs.ok()) return outputs.error();
    functions.outputs = *std::move(outputs);
    return functions;
  }
  auto render = AotiModel::open(voice.model, voice.render_method, device, lanes);
  if (!render.ok()) return render.error();
  if (const std::size_t count = (*render)->inputs().size(); count != kRenderInputs) {
    return wrong_count(voice, voice.render_method, count,
                       "6: h, durations, token_lengths, speaker, frame_lengths, frames");
  }
  functions.render = function_of(voice.render_method, *std::move(render));
  return functions;
}

}  // namespace flowtts
