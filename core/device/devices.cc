#include "core/device/devices.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <flowtts/diagnostics.h>
#include <fmt/format.h>

#include "core/cores.h"

namespace flowtts {
namespace {

/// Logical CPU devices share the machine's cores; more than this is a slip of the keyboard.
constexpr int kMostCpuDevices = 256;

constexpr std::string_view kAllowed = "allowed are auto, cpu, cpu:N, cuda and cuda:N";

Error bad_device(std::string message) { return Error{"bad_device", std::move(message)}; }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

/// A number as it is written in a device's name: digits alone, no leading zero.
std::optional<int> parse_index(std::string_view text) {
  int index = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, index);
  if (error != std::errc() || stop != end || index < 0) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return index;
}

std::string list_gpus(std::span<const DeviceInfo> gpus) {
  std::string text;
  for (const DeviceInfo& gpu : gpus) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", gpu.id.text(), gpu.name);
  }
  return text;
}

Error unknown_device(std::string_view name, std::span<const DeviceInfo> gpus) {
  const std::string lower = lower_case(name);
  if (lower.starts_with("gpu") || lower.starts_with("nvidia")) {
    return bad_device(fmt::format(
        "unknown device '{}': GPUs are written 'cuda' (all) or 'cuda:N'; {}", name, kAllowed));
  }
  std::vector<std::string> known{"auto", "cpu", "cuda", "cpu:0"};
  for (const DeviceInfo& gpu : gpus) known.push_back(gpu.id.text());
  return bad_device(
      fmt::format("unknown device '{}'; {}{}", name, kAllowed, did_you_mean(lower, known)));
}

Error no_gpu(std::string_view name) {
  return bad_device(
      fmt::format("'{}' needs a GPU, and none can be used here: there is no NVIDIA driver, or "
                  "CUDA_VISIBLE_DEVICES hides every card; 'auto' and 'cpu' do without",
                  name));
}

/// The devices that one entry stands for.
Result<std::vector<DeviceId>> parse_entry(std::string_view name, std::span<const DeviceInfo> gpus) {
  using Devices = std::vector<DeviceId>;
  const auto all_gpus = [&] {
    Devices devices;
    for (const DeviceInfo& gpu : gpus) devices.push_back(gpu.id);
    return devices;
  };
  const DeviceId cpu{DeviceKind::kCpu, 0};
  if (name == "auto") return gpus.empty() ? Devices{cpu} : all_gpus();
  if (name == "cpu") return Devices{cpu};
  if (name == "cuda") {
    if (gpus.empty()) return no_gpu(name);
    return all_gpus();
  }
  const std::size_t colon = name.find(':');
  const std::string_view kind = name.substr(0, colon);
  if (colon == std::string_view::npos || (kind != "cpu" && kind != "cuda")) {
    return unknown_device(name, gpus);
  }
  const std::optional<int> index = parse_index(name.substr(colon + 1));
  if (!index) {
    return bad_device(fmt::format("'{}': behind '{}:' stands the device's number, such as '{}:0'",
                                  name, kind, kind));
  }
  if (kind == "cpu") {
    if (*index < kMostCpuDevices) return Devices{{DeviceKind::kCpu, *index}};
    return bad_device(
        fmt::format("'{}': logical CPU devices are numbered 0 to {}", name, kMostCpuDevices - 1));
  }
  if (gpus.empty()) return no_gpu(name);
  const DeviceId wanted{DeviceKind::kCuda, *index};
  if (std::any_of(gpus.begin(), gpus.end(), [&](const DeviceInfo& g) { return g.id == wanted; })) {
    return Devices{wanted};
  }
  return bad_device(fmt::format("'{}' is not there; this machine has {}", name, list_gpus(gpus)));
}

}  // namespace

Result<std::vector<DeviceId>> parse_devices(std::span<const std::string> names,
                                            std::span<const DeviceInfo> gpus) {
  if (names.empty()) return bad_device(fmt::format("the list is empty; {}", kAllowed));
  std::vector<DeviceId> devices;
  for (const std::string& name : names) {
    if (name == "auto" && names.size() > 1) {
      return bad_device("'auto' stands alone: it chooses the devices itself");
    }
    const auto entry = parse_entry(name, gpus);
    if (!entry) return entry;
    for (const DeviceId device : *entry) {
      if (std::find(devices.begin(), devices.end(), device) != devices.end()) {
        return bad_device(fmt::format("'{}' names {} a second time", name, device.text()));
      }
      devices.push_back(device);
    }
  }
  return devices;
}

int automatic_lanes(DeviceId device, std::span<const DeviceId> devices) {
  constexpr int kGpuLanes = 4;
  if (device.kind == DeviceKind::kCuda) return kGpuLanes;
  std::set<DeviceId> cpus{device};
  for (const DeviceId id : devices) {
    if (id.kind == DeviceKind::kCpu) cpus.insert(id);
  }
  return std::max(1, usable_cores() / static_cast<int>(cpus.size()));
}

}  // namespace flowtts
