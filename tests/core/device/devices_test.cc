#include "core/device/devices.h"

#include <filesystem>
#include <stdexcept>

#include <doctest/doctest.h>

#include "core/device/nvml.h"

namespace {

using namespace flowtts;

const std::vector<DeviceInfo> kTwoGpus{{{DeviceKind::kCuda, 0}, "NVIDIA H200", 1000, 900},
                                       {{DeviceKind::kCuda, 1}, "NVIDIA L4", 500, 400}};

/// "cpu:0 cuda:1", or the message.
std::string parsed(const std::vector<std::string>& names, const std::vector<DeviceInfo>& gpus) {
  const auto devices = parse_devices(names, gpus);
  if (!devices) return devices.error().message;
  std::string text;
  for (const DeviceId device : *devices) text += (text.empty() ? "" : " ") + device.text();
  return text;
}

/// Four cards, of which two begin alike.
std::vector<NvmlGpu> four_cards() {
  std::vector<NvmlGpu> gpus;
  for (const char* uuid : {"GPU-aa11", "GPU-aa22", "GPU-bb33", "GPU-cc44"}) {
    const int index = static_cast<int>(gpus.size());
    gpus.push_back({uuid, {{DeviceKind::kCuda, index}, std::string("card ") + uuid, 1, 1}});
  }
  return gpus;
}

std::string selected(std::string_view variable) {
  std::string text;
  int index = 0;
  for (const NvmlGpu& seen : select_visible(four_cards(), variable)) {
    const DeviceInfo& gpu = seen.info;
    CHECK(gpu.id == DeviceId{DeviceKind::kCuda, index++});
    text += gpu.name.substr(std::string_view("card GPU-").size(), 1);
    text += gpu.name.back();
  }
  return text;
}

}  // namespace

TEST_CASE("what stands under devices becomes devices, in the order given") {
  CHECK(parsed({"auto"}, {}) == "cpu:0");
  CHECK(parsed({"auto"}, kTwoGpus) == "cuda:0 cuda:1");
  CHECK(parsed({"cpu"}, kTwoGpus) == "cpu:0");
  CHECK(parsed({"cpu:2"}, {}) == "cpu:2");
  CHECK(parsed({"cuda"}, kTwoGpus) == "cuda:0 cuda:1");
  CHECK(parsed({"cuda:1", "cpu", "cuda:0"}, kTwoGpus) == "cuda:1 cpu:0 cuda:0");
  CHECK(parsed({"cpu:0", "cpu:1", "cpu:2"}, {}) == "cpu:0 cpu:1 cpu:2");
}

TEST_CASE("a device that cannot be had is refused with what is allowed") {
  CHECK(parsed({}, {}) == "the list is empty; allowed are auto, cpu, cpu:N, cuda and cuda:N");
  CHECK(
      parsed({"coda"}, {}) ==
      "unknown device 'coda'; allowed are auto, cpu, cpu:N, cuda and cuda:N; did you mean 'cuda'?");
  CHECK(parsed({"CUDA:1"}, kTwoGpus).ends_with("did you mean 'cuda:1'?"));
  CHECK(parsed({"xyzzy"}, {}) ==
        "unknown device 'xyzzy'; allowed are auto, cpu, cpu:N, cuda and cuda:N");
  CHECK(parsed({""}, {}) == "unknown device ''; allowed are auto, cpu, cpu:N, cuda and cuda:N");
  CHECK(parsed({"gpu:0"}, kTwoGpus)
            .starts_with("unknown device 'gpu:0': GPUs are written 'cuda' (all) or 'cuda:N'"));
  for (const char* name :
       {"cuda:", "cuda:x", "cuda:-1", "cuda:01", "cuda:1 ", "cuda:99999999999"}) {
    CHECK(parsed({name}, kTwoGpus) == "'" + std::string(name) +
                                          "': behind 'cuda:' stands the device's number, such as "
                                          "'cuda:0'");
  }
  CHECK(parsed({"cuda:2"}, kTwoGpus) ==
        "'cuda:2' is not there; this machine has cuda:0 (NVIDIA H200), cuda:1 (NVIDIA L4)");
  CHECK(parsed({"cpu:256"}, {}) == "'cpu:256': logical CPU devices are numbered 0 to 255");
  for (const char* name : {"cuda", "cuda:0"}) {
    CHECK(parsed({name}, {}).starts_with("'" + std::string(name) + "' needs a GPU"));
  }
}

TEST_CASE("a device that is named twice is refused, and so is auto in company") {
  CHECK(parsed({"cpu", "cpu:0"}, {}) == "'cpu:0' names cpu:0 a second time");
  CHECK(parsed({"cuda", "cuda:1"}, kTwoGpus) == "'cuda:1' names cuda:1 a second time");
  CHECK(parsed({"auto", "cpu"}, {}) == "'auto' stands alone: it chooses the devices itself");
}

TEST_CASE("CUDA_VISIBLE_DEVICES chooses, orders and renumbers the cards as CUDA does") {
  CHECK(selected("0,1,2,3") == "a1a2b3c4");
  CHECK(selected("2,0") == "b3a1");
  CHECK(selected(" 1 , 3 ") == "a2c4");
  CHECK(selected("GPU-bb33,GPU-aa11") == "b3a1");
  CHECK(selected("GPU-c") == "c4");
  CHECK(selected("") == "");
  CHECK(selected("-1") == "");
  CHECK(selected("NoDevFiles") == "");
  CHECK(selected("1,7,2") == "a2");  // What follows a wrong entry is not seen.
  CHECK(selected("2,,1") == "b3");
  CHECK(selected("GPU-aa,0") == "");  // Two cards begin so.
  CHECK(selected("GPU-zz") == "");
  CHECK(selected("0,0") == "");  // Named twice: CUDA then shows none.
  CHECK(selected("1,GPU-aa22") == "");
}

TEST_CASE("without the driver's library no GPU is visible") {
  if (std::filesystem::exists("/dev/nvidiactl")) return;  // There is a driver here.
  CHECK(visible_gpus().empty());
}

TEST_CASE("the host runtime has CPUs, with the machine's memory, and refuses a GPU by name") {
  const auto runtime = make_device_runtime("host");
  REQUIRE(runtime.ok());
  const auto cpu = (*runtime)->start({DeviceKind::kCpu, 3}, {});
  REQUIRE(cpu.ok());
  CHECK(cpu->id.text() == "cpu:3");
  CHECK(cpu->total_bytes >= cpu->free_bytes);
  CHECK(cpu->free_bytes > 0);
  CHECK((*runtime)->bind(cpu->id) != nullptr);

  const auto gpu = (*runtime)->start({DeviceKind::kCuda, 1}, {});
  REQUIRE(gpu.is_error());
  CHECK(gpu.error().message.find("cuda:1") != std::string::npos);
}

TEST_CASE("a runtime is made by its registered name, an unknown name lists those known") {
  register_device_runtime("devices_test", [] { return make_device_runtime("host"); });
  CHECK(make_device_runtime("devices_test").ok());
  CHECK_THROWS_AS(register_device_runtime("devices_test", {}), std::logic_error);

  const auto unknown = make_device_runtime("devices_tset");
  REQUIRE(unknown.is_error());
  CHECK(unknown.error().message.starts_with("unknown device runtime 'devices_tset'; known: "));
  CHECK(unknown.error().message.find("host") != std::string::npos);
  CHECK(unknown.error().message.ends_with("did you mean 'devices_test'?"));
}

TEST_CASE("a runtime's factory that throws is an Error that says why") {
  register_device_runtime("devices_test_throws", []() -> Result<std::shared_ptr<DeviceRuntime>> {
    throw std::runtime_error("libfoo.so is missing");
  });
  const auto runtime = make_device_runtime("devices_test_throws");
  REQUIRE(runtime.is_error());
  CHECK(runtime.error().message.find("libfoo.so is missing") != std::string::npos);
}
