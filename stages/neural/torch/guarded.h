#pragma once

#include <functional>
#include <optional>

#include <c10/core/Device.h>

#include <flowtts/result.h>

namespace flowtts {

/// Runs a call into LibTorch and tells what it throws as an Error: kOutOfMemoryCode,
/// kDeviceLostCode or "model_failed". What an exception's text does not tell is found out from the
/// device: whether the allocator gave up meanwhile, and whether the device still answers. Nothing
/// that the call held is alive any more when this returns.
std::optional<Error> guarded(c10::Device device, const std::function<void()>& call);

}  // namespace flowtts
