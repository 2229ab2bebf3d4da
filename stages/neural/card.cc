#include "stages/neural/card.h"

#include <fstream>

#include <fmt/format.h>

#include "stages/io/hash.h"

namespace flowtts {
namespace {

std::string cpu_name() {
  std::string model = "CPU", features;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line) && !line.empty();) {  // the first core's part
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.starts_with("model name")) model = line.substr(colon + 2);
    if (line.starts_with("flags") || line.starts_with("Features")) features = line;
  }
  return fmt::format("{} {:08x}", model, hash64(features) >> 32U);
}

}  // namespace

std::optional<std::string> card_name(DeviceId device) {
  if (device.kind == DeviceKind::kCpu) return cpu_name();
  for (const DeviceInfo& gpu : visible_gpus()) {
    if (gpu.id == device) return gpu.name;
  }
  return std::nullopt;
}

}  // namespace flowtts
