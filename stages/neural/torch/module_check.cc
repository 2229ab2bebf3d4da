#include "stages/neural/torch/module_check.h"

#include <vector>

#include <c10/util/StringUtil.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

namespace flowtts {
namespace {

/// A method that the engine calls, and with how many arguments.
struct Expected {
  std::string name;
  std::size_t arguments = 0;
  bool may_take_seed = false;
  bool named = false;  ///< What it takes is said by the voice file.
};

std::vector<Expected> expected_methods(const VoiceConfig& voice) {
  std::vector<Expected> methods{{"forward", 4, true}};
  if (!voice.plan_method.empty()) {
    methods = {{voice.plan_method, 4, true}, {voice.render_method, 6, false}};
  }
  methods.front().named = !voice.io.inputs.empty();
  return methods;
}

std::optional<std::string> check_method(const torch::jit::Method& method,
                                        const Expected& expected) {
  const auto& arguments = method.function().getSchema().arguments();
  const std::size_t count = arguments.size() - 1;  // the first is the module itself
  if (count == expected.arguments || expected.named) return std::nullopt;
  const bool with_seed = expected.may_take_seed && count == expected.arguments + 1;
  if (with_seed && arguments.back().name() == "seed") return std::nullopt;
  return c10::str("the method '", expected.name, "' takes ", count, " arguments; expected are ",
                  expected.arguments,
                  expected.may_take_seed
                      ? ", or one more named 'seed', or what `inputs` names in the voice file"
                      : "");
}

std::optional<std::string> check_place(const std::string& name, const at::Tensor& tensor,
                                       at::Device device) {
  if (!tensor.defined() || tensor.device() == device) return std::nullopt;
  return c10::str("'", name, "' lies on ", tensor.device().str(), " instead of ", device.str());
}

/// The number of a GPU that is not `device`, written into the code. "cuda" alone is the current
/// device, and the CPU is everywhere.
std::optional<std::string> foreign_device(const c10::IValue& constant, at::Device device) {
  if (!constant.isDevice()) return std::nullopt;
  const at::Device literal = constant.toDevice();
  if (!literal.is_cuda() || !literal.has_index() || literal == device) return std::nullopt;
  return literal.str();
}

/// The device that a node names: a constant, or the text that a call of `torch.device` is given.
std::optional<c10::IValue> device_literal(const torch::jit::Node& node) {
  if (node.kind() == c10::prim::Constant) return torch::jit::toIValue(node.output());
  if (node.kind() != c10::aten::device || node.inputs().size() != 1) return std::nullopt;
  const auto text = torch::jit::toIValue(node.input());
  if (!text || !text->isString()) return std::nullopt;
  return c10::IValue(at::Device(text->toStringRef()));
}

std::optional<std::string> find_foreign_device(const torch::jit::Block& block, at::Device device) {
  for (const torch::jit::Node* node : block.nodes()) {
    if (const auto literal = device_literal(*node)) {
      if (auto found = foreign_device(*literal, device)) return found;
    }
    for (const torch::jit::Block* inner : node->blocks()) {
      if (auto found = find_foreign_device(*inner, device)) return found;
    }
  }
  return std::nullopt;
}

std::optional<std::string> check_code(const torch::jit::Method& method, at::Device device) {
  const auto graph = torch::jit::toGraphFunction(method.function()).graph()->copy();
  torch::jit::Inline(*graph);
  const auto found = find_foreign_device(*graph->block(), device);
  if (!found) return std::nullopt;
  return c10::str("the code of '", method.name(), "' names the device ", *found,
                  ", as tracing leaves it, so that it cannot run on ", device.str(),
                  ": export it by scripting, with devices taken from tensors");
}

}  // namespace

void make_float32(torch::jit::Module& module) {
  const auto convert = [](at::Tensor tensor) {
    if (!tensor.is_floating_point() || tensor.scalar_type() == at::kFloat) return;
    tensor.set_data(tensor.to(at::kFloat));
  };
  for (const at::Tensor& tensor : module.parameters()) convert(tensor);
  for (const at::Tensor& tensor : module.buffers()) convert(tensor);
}

std::optional<std::string> check_module(const torch::jit::Module& module, const VoiceConfig& voice,
                                        at::Device device) {
  for (const auto& parameter : module.named_parameters()) {
    if (auto problem = check_place(parameter.name, parameter.value, device)) return problem;
  }
  for (const auto& buffer : module.named_buffers()) {
    if (auto problem = check_place(buffer.name, buffer.value, device)) return problem;
  }
  for (const Expected& expected : expected_methods(voice)) {
    const auto method = module.find_method(expected.name);
    if (!method) return c10::str("the module has no method '", expected.name, "'");
    if (auto problem = check_method(*method, expected)) return problem;
    if (auto problem = check_code(*method, device)) return problem;
  }
  return std::nullopt;
}

}  // namespace flowtts
