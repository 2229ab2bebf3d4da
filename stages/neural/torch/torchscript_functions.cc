#include "stages/neural/torch/torchscript_functions.h"

#include <utility>

#include <c10/util/StringUtil.h>
#include <torch/script.h>

#include "stages/neural/torch/module_check.h"

namespace flowtts {
namespace {

ModelFunction function_of(const torch::jit::Method& method) {
  return {c10::str("the model's method '", method.name(), "'"),
          [method](std::vector<c10::IValue> values) -> Result<c10::IValue> {
            return method(std::move(values));
          }};
}

bool has_seed(const torch::jit::Method& method) {
  const auto& list = method.function().getSchema().arguments();
  return !list.empty() && list.back().name() == "seed";
}

}  // namespace

Result<ModelFunctions> load_torchscript(const VoiceConfig& voice, at::Device device) {
  torch::jit::Module module = torch::jit::load(voice.model.string(), device);
  module.eval();
  make_float32(module);
  if (const auto problem = check_module(module, voice, device)) return cannot_load(voice, *problem);
  const bool two_parts = !voice.render_method.empty();
  const auto first = module.get_method(two_parts ? voice.plan_method : "forward");
  ModelFunctions functions;
  functions.format = voice.format;
  functions.numerics = "torchscript float32";
  functions.first = function_of(first);
  functions.arguments = ModelArguments::by_position(has_seed(first));
  if (!voice.io.inputs.empty()) {
    auto arguments = ModelArguments::of_method(first, voice.io);
    if (!arguments.ok()) return arguments.error();
    functions.arguments = *std::move(arguments);
  }
  if (two_parts) {
    functions.render = function_of(module.get_method(voice.render_method));
    return functions;
  }
  const auto& returned = first.function().getSchema().returns();
  if (returned.size() != 1) return functions;
  auto outputs = OutputChoice::of_type(*returned.front().type(), voice.io, functions.first.what);
  if (!outputs.ok()) return outputs.error();
  functions.outputs = *std::move(outputs);
  return functions;
}

}  // namespace flowtts
