#include "stages/neural/torch/model_output.h"

#include <string>

#include <c10/util/StringUtil.h>

namespace flowtts {
namespace {

std::string describe(const c10::IValue& value) {
  if (value.isTensor() && value.toTensor().defined()) {
    const at::Tensor tensor = value.toTensor();
    return c10::str(c10::toString(tensor.scalar_type()), " ", tensor.sizes());
  }
  if (value.isGenericDict()) {
    std::string keys;
    for (const auto& entry : value.toGenericDict()) {
      keys +=
          (keys.empty() ? "" : ", ") + (entry.key().isString() ? entry.key().toStringRef() : "?");
    }
    return "a dict with " + (keys.empty() ? "nothing" : keys);
  }
  return value.tagKind();
}

}  // namespace

bool is_tensor(const c10::IValue& value, at::ScalarType type, std::int64_t dimensions,
               std::size_t rows) {
  if (!value.isTensor() || !value.toTensor().defined()) return false;
  const at::Tensor tensor = value.toTensor();
  return tensor.scalar_type() == type && tensor.dim() == dimensions &&
         tensor.size(0) == static_cast<std::int64_t>(rows);
}

Error bad_model_output(std::string_view what, std::string_view wanted, const c10::IValue& found) {
  std::string list = describe(found);
  if (found.isTuple()) {
    list.clear();
    for (const c10::IValue& part : found.toTupleRef().elements()) {
      list += (list.empty() ? "(" : ", ") + describe(part);
    }
    list += ")";
  }
  return {"bad_model_output", c10::str(what, " returned ", list, "; expected is ", wanted)};
}

std::vector<std::int64_t> to_host(const at::Tensor& numbers) {
  const at::Tensor host = numbers.to(at::kCPU).contiguous();
  return {host.const_data_ptr<std::int64_t>(), host.const_data_ptr<std::int64_t>() + host.numel()};
}

}  // namespace flowtts
