#include "core/device/affinity.h"

#include <pthread.h>
#include <sched.h>

#include <charconv>
#include <fstream>
#include <string>

#include "core/device/nvml.h"

namespace flowtts {
namespace {

/// Where the kernel says which cores are near to a PCI device.
std::vector<int> cores_near(const std::string& bus) {
  std::ifstream file("/sys/bus/pci/devices/" + bus + "/local_cpulist");
  std::string line;
  std::getline(file, line);
  return parse_cpu_list(line);
}

}  // namespace

std::vector<int> parse_cpu_list(std::string_view text) {
  constexpr int kMost = CPU_SETSIZE;
  std::vector<int> cores;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int first = 0;
    auto read = std::from_chars(at, end, first);
    if (read.ec != std::errc()) return {};
    int last = first;
    if (read.ptr < end && *read.ptr == '-') {
      read = std::from_chars(read.ptr + 1, end, last);
      if (read.ec != std::errc()) return {};
    }
    if (first < 0 || last < first || last >= kMost) return {};
    for (int core = first; core <= last; ++core) cores.push_back(core);
    if (read.ptr < end && *read.ptr != ',') return {};
    at = read.ptr + 1;
  }
  return cores;
}

void keep_thread_near(DeviceId device) {
  if (device.kind != DeviceKind::kCuda) return;
  cpu_set_t allowed;
  if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0) return;
  for (const NvmlGpu& gpu : visible_nvml_gpus()) {
    if (gpu.info.id != device || gpu.bus.empty()) continue;
    cpu_set_t near;
    CPU_ZERO(&near);
    for (const int core : cores_near(gpu.bus)) {
      if (CPU_ISSET(core, &allowed)) CPU_SET(core, &near);
    }
    const int count = CPU_COUNT(&near);
    if (count > 0 && count < CPU_COUNT(&allowed)) {
      pthread_setaffinity_np(pthread_self(), sizeof near, &near);
    }
  }
}

}  // namespace flowtts
