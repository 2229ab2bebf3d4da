#include <flowtts/device.h>

#include <fstream>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "core/config/params.h"

namespace flowtts::cli {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

DeviceInfo cpu() {
  DeviceInfo info{{DeviceKind::kCpu, 0}, "", 0, 0};
  if (const auto runtime = make_device_runtime("host"); runtime.ok()) {
    if (auto started = (*runtime)->start(info.id, {}); started.ok()) info = *started;
  }
  info.name =
      fmt::format("{}, {}", cpu_name(),
                  format_number_of(std::max(1U, std::thread::hardware_concurrency()), "core"));
  return info;
}

std::vector<std::string> row(const DeviceInfo& device) {
  return {device.id.text(), device.name,
          device.total_bytes > 0 ? byte_size_text(device.total_bytes) : "",
          device.free_bytes > 0 ? byte_size_text(device.free_bytes) : ""};
}

/// Starts every device with LibTorch, as a run would. Returns the exit status.
int probe(const std::vector<DeviceInfo>& devices) {
  const auto runtime = make_device_runtime("torch");
  if (!runtime.ok()) {
    fmt::print("\ntorch: {}\n", runtime.error().message);
    return kEnvironmentError;
  }
  int status = 0;
  fmt::print("\n");
  for (const DeviceInfo& device : devices) {
    const Result<DeviceInfo> started = (*runtime)->start(device.id, {});
    if (!started.ok()) status = kEnvironmentError;
    fmt::print("torch: {}: {}\n", device.id.text(),
               started.ok() ? "works" : started.error().message);
  }
  return status;
}

int list_devices(bool with_probe) {
  std::vector<DeviceInfo> devices{cpu()};
  for (DeviceInfo& gpu : visible_gpus()) devices.push_back(std::move(gpu));
  Table table({"device", "name", "memory", "free"}, {"memory", "free"});
  for (const DeviceInfo& device : devices) table.add(row(device));
  fmt::print("{}", table.text(Terminal(stdout).colour(), 0));
  if (devices.size() == 1) {
    fmt::print(
        "\nNo GPU is visible: there is no NVIDIA driver, or CUDA_VISIBLE_DEVICES hides "
        "them. 'devices: auto' means cpu:0.\n");
  }
  return with_probe ? probe(devices) : 0;
}

std::function<int()> prepare(Options& options) {
  const auto with_probe = std::make_shared<bool>(false);
  options.flag("--probe", *with_probe,
               "Also load LibTorch and start it on each device, which takes seconds.");
  return [with_probe] { return list_devices(*with_probe); };
}

}  // namespace

const Command kDevicesCommand{"devices", "[--probe]",
                              "List the CPU and the GPUs that pipelines can use.", "", prepare};

}  // namespace flowtts::cli
