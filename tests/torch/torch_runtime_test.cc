#include "stages/neural/torch/torch_runtime.h"

#include <thread>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <doctest/doctest.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "tests/torch/models.h"

using flowtts::DeviceId;
using flowtts::DeviceKind;

TEST_CASE("A binding puts a lane's thread, and no other, into inference on one CPU thread") {
  const auto runtime = flowtts::make_torch_runtime();
  bool before = true, during = false, after = true;
  int threads = 0;
  bool profiling = true;
  std::thread([&] {
    at::set_num_threads(2);
    before = c10::InferenceMode::is_enabled();
    {
      torch::jit::getExecutorMode() = true;
      const auto binding = runtime->bind({DeviceKind::kCpu, 0});
      during = c10::InferenceMode::is_enabled();
      threads = at::get_num_threads();
      profiling = torch::jit::getExecutorMode();
    }
    after = c10::InferenceMode::is_enabled();
  }).join();
  CHECK_FALSE(before);
  CHECK(during);
  CHECK_FALSE(after);
  CHECK(threads == 1);
  CHECK_FALSE(profiling);
  CHECK_FALSE(c10::InferenceMode::is_enabled());
}

TEST_CASE("TensorFloat-32 and cuDNN's benchmarking are off once there is a runtime") {
  at::globalContext().setBenchmarkCuDNN(true);
  flowtts::make_torch_runtime();
  CHECK_FALSE(at::globalContext().allowTF32CuDNN());
  CHECK_FALSE(at::globalContext().allowTF32CuBLAS());
  CHECK_FALSE(at::globalContext().benchmarkCuDNN());
}

TEST_CASE("A CPU device is started without LibTorch's help") {
  const auto info = flowtts::make_torch_runtime()->start({DeviceKind::kCpu, 1}, {});
  REQUIRE(info.ok());
  CHECK(info->id == DeviceId{DeviceKind::kCpu, 1});
  CHECK(info->total_bytes > 0);
}

TEST_CASE("A GPU that is not there is refused by name, with a reason, and ends the run") {
  const int absent = static_cast<int>(flowtts::visible_gpus().size());
  const auto info = flowtts::make_torch_runtime()->start({DeviceKind::kCuda, absent}, {});
  REQUIRE(info.is_error());
  CHECK(info.error().code == "device_unavailable");
  CHECK(info.error().fatal);
  const std::string start = "cuda:" + std::to_string(absent) + " cannot be used: ";
  CHECK(info.error().message.substr(0, start.size()) == start);
  CHECK(info.error().message.size() > start.size());
}
