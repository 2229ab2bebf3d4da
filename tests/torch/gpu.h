#pragma once

#include <cstdint>
#include <memory>

#include <doctest/doctest.h>
#include <flowtts/device.h>

#include "stages/neural/torch/torch_runtime.h"

namespace flowtts::testing {

inline constexpr DeviceId kGpu{DeviceKind::kCuda, 0};

/// Whether there is no GPU to test with, and if so says that the test was skipped.
inline bool no_gpu() {
  if (!visible_gpus().empty()) return false;
  MESSAGE("skipped: this machine has no GPU");
  return true;
}

inline std::shared_ptr<DeviceRuntime> start_gpu(std::uint64_t memory_limit_bytes = 0) {
  auto runtime = make_torch_runtime();
  const auto info = runtime->start(kGpu, MemoryLimit{memory_limit_bytes, 0});
  if (info.is_error()) FAIL(info.error().message);
  CHECK(info->total_bytes > info->free_bytes);
  CHECK_FALSE(info->name.empty());
  return runtime;
}

}  // namespace flowtts::testing
