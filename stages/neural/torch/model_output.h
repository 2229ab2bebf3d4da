#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <torch/script.h>

#include <flowtts/result.h>

namespace flowtts {

/// Whether a module returned a tensor of this type and number of dimensions, a row a sentence.
bool is_tensor(const c10::IValue& value, at::ScalarType type, std::int64_t dimensions,
               std::size_t rows);

/// The Error "bad_model_output" of a function that returned something else than it should.
/// \param what "the model's method 'forward'"
/// \param wanted as in the contract of open_torchscript: "audio float32 [B, N]".
Error bad_model_output(std::string_view what, std::string_view wanted, const c10::IValue& found);

/// A tensor of whole numbers, on any device.
std::vector<std::int64_t> to_host(const at::Tensor& numbers);

}  // namespace flowtts
