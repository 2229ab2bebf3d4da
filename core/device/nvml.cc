#include "core/device/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>

namespace flowtts {
namespace {

// NVML's binary interface, as much of it as is used here; it is stable across drivers.
constexpr int kNvmlSuccess = 0;
using NvmlDevice = struct NvmlDeviceHandle*;
struct NvmlMemory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
struct NvmlUtilization {
  unsigned gpu;  ///< Percent of the time in which a kernel ran.
  unsigned memory;
};
struct NvmlPci {
  char legacy_bus[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned ids[2];
  char bus_id[32];
};
using NvmlCall = int (*)();
using NvmlGetCount = int (*)(unsigned* count);
using NvmlGetHandle = int (*)(unsigned index, NvmlDevice* device);
using NvmlGetText = int (*)(NvmlDevice device, char* text, unsigned length);
using NvmlGetMemory = int (*)(NvmlDevice device, NvmlMemory* memory);
using NvmlGetUtilization = int (*)(NvmlDevice device, NvmlUtilization* utilization);
using NvmlGetPci = int (*)(NvmlDevice device, NvmlPci* pci);

/// The driver's library while it is in use.
class Nvml {
 public:
  Nvml() : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
    const auto init = symbol<NvmlCall>("nvmlInit_v2");
    shutdown_ = symbol<NvmlCall>("nvmlShutdown");
    count_ = symbol<NvmlGetCount>("nvmlDeviceGetCount_v2");
    handle_ = symbol<NvmlGetHandle>("nvmlDeviceGetHandleByIndex_v2");
    name_ = symbol<NvmlGetText>("nvmlDeviceGetName");
    uuid_ = symbol<NvmlGetText>("nvmlDeviceGetUUID");
    memory_ = symbol<NvmlGetMemory>("nvmlDeviceGetMemoryInfo");
    utilization_ = symbol<NvmlGetUtilization>("nvmlDeviceGetUtilizationRates");
    pci_ = symbol<NvmlGetPci>("nvmlDeviceGetPciInfo_v3");
    ready_ = init && shutdown_ && count_ && handle_ && name_ && uuid_ && memory_ &&
             init() == kNvmlSuccess;
  }
  ~Nvml() {
    if (ready_) shutdown_();
    if (library_) dlclose(library_);
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  unsigned count() const {
    unsigned count = 0;
    return ready_ && count_(&count) == kNvmlSuccess ? count : 0;
  }

  /// The card, or nothing where the driver cannot reach it any more.
  std::optional<NvmlGpu> gpu(unsigned index) const {
    NvmlDevice device = nullptr;
    std::array<char, 96> name{};  // NVML's own buffer sizes: 96 bytes for names and UUIDs.
    std::array<char, 96> uuid{};
    NvmlMemory memory{};
    if (handle_(index, &device) != kNvmlSuccess) return std::nullopt;
    if (name_(device, name.data(), name.size()) != kNvmlSuccess) return std::nullopt;
    if (uuid_(device, uuid.data(), uuid.size()) != kNvmlSuccess) return std::nullopt;
    if (memory_(device, &memory) != kNvmlSuccess) return std::nullopt;
    const DeviceId id{DeviceKind::kCuda, static_cast<int>(index)};
    return NvmlGpu{uuid.data(), DeviceInfo{id, name.data(), memory.total, memory.free},
                   bus_of(device)};
  }

  /// The share of the time that a kernel ran of late, 0 to 1.
  std::optional<double> active_share(const std::string& uuid) const {
    for (unsigned index = 0; index < count(); ++index) {
      NvmlDevice device = nullptr;
      std::array<char, 96> name{};
      NvmlUtilization utilization{};
      if (handle_(index, &device) != kNvmlSuccess) continue;
      if (uuid_(device, name.data(), name.size()) != kNvmlSuccess || uuid != name.data()) continue;
      if (!utilization_ || utilization_(device, &utilization) != kNvmlSuccess) break;
      return utilization.gpu / 100.0;
    }
    return std::nullopt;
  }

 private:
  std::string bus_of(NvmlDevice device) const {
    NvmlPci pci{};
    if (!pci_ || pci_(device, &pci) != kNvmlSuccess) return "";
    std::array<char, 32>
        text{};  // The kernel's names have four digits of the domain, NVML's eight.
    std::snprintf(text.data(), text.size(), "%04x:%02x:%02x.0", pci.domain, pci.bus, pci.device);
    return text.data();
  }

  template <class Function>
  Function symbol(const char* name) {
    return library_ ? reinterpret_cast<Function>(dlsym(library_, name)) : nullptr;
  }

  void* library_;
  NvmlCall shutdown_ = nullptr;
  NvmlGetCount count_ = nullptr;
  NvmlGetHandle handle_ = nullptr;
  NvmlGetText name_ = nullptr;
  NvmlGetText uuid_ = nullptr;
  NvmlGetMemory memory_ = nullptr;
  NvmlGetUtilization utilization_ = nullptr;
  NvmlGetPci pci_ = nullptr;
  bool ready_ = false;
};

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// The card that one entry of CUDA_VISIBLE_DEVICES names.
const NvmlGpu* find_gpu(const std::vector<NvmlGpu>& gpus, std::string_view entry) {
  if (entry.starts_with("GPU-")) {
    const auto begins_so = [&](const NvmlGpu& gpu) { return gpu.uuid.starts_with(entry); };
    const auto first = std::find_if(gpus.begin(), gpus.end(), begins_so);
    if (first == gpus.end()) return nullptr;
    return std::any_of(first + 1, gpus.end(), begins_so) ? nullptr : &*first;
  }
  std::size_t index = 0;
  const char* end = entry.data() + entry.size();
  const auto [stop, error] = std::from_chars(entry.data(), end, index);
  if (entry.empty() || error != std::errc() || stop != end || index >= gpus.size()) return nullptr;
  return &gpus[index];
}

}  // namespace

std::vector<NvmlGpu> list_nvml_gpus() {
  const Nvml nvml;
  std::vector<NvmlGpu> gpus;
  const unsigned count = nvml.count();
  for (unsigned index = 0; index < count; ++index) {
    auto gpu = nvml.gpu(index);
    // CUDA does not number what NVML cannot reach; nor are its neighbours' numbers known then.
    if (!gpu) break;
    gpus.push_back(*std::move(gpu));
  }
  return gpus;
}

std::vector<NvmlGpu> select_visible(const std::vector<NvmlGpu>& gpus, std::string_view variable) {
  std::vector<const NvmlGpu*> chosen;
  while (true) {
    const std::size_t comma = variable.find(',');
    const NvmlGpu* gpu = find_gpu(gpus, trimmed(variable.substr(0, comma)));
    if (!gpu) break;
    if (std::find(chosen.begin(), chosen.end(), gpu) != chosen.end()) return {};
    chosen.push_back(gpu);
    if (comma == std::string_view::npos) break;
    variable.remove_prefix(comma + 1);
  }
  std::vector<NvmlGpu> visible;
  for (const NvmlGpu* gpu : chosen) {
    visible.push_back(*gpu);
    visible.back().info.id.index = static_cast<int>(visible.size()) - 1;
  }
  return visible;
}

std::vector<NvmlGpu> visible_nvml_gpus() {
  std::vector<NvmlGpu> gpus = list_nvml_gpus();
  const char* variable = std::getenv("CUDA_VISIBLE_DEVICES");
  if (gpus.empty() || variable == nullptr) return gpus;
  return select_visible(gpus, variable);
}

std::vector<DeviceInfo> visible_gpus() {
  std::vector<DeviceInfo> all;
  for (const NvmlGpu& gpu : visible_nvml_gpus()) all.push_back(gpu.info);
  return all;
}

struct GpuActivity::Impl {
  struct Gpu {
    DeviceId id;
    std::string uuid;
    double sum = 0;
    int samples = 0;
  };
  const Nvml nvml;
  mutable std::mutex mutex;
  std::vector<Gpu> gpus;
};

GpuActivity::GpuActivity(std::span<const DeviceId> devices) : impl_(std::make_unique<Impl>()) {
  for (const NvmlGpu& gpu : visible_nvml_gpus()) {
    if (std::find(devices.begin(), devices.end(), gpu.info.id) == devices.end()) continue;
    impl_->gpus.push_back({gpu.info.id, gpu.uuid});
  }
}

GpuActivity::~GpuActivity() = default;

void GpuActivity::sample() {
  const std::lock_guard lock(impl_->mutex);
  for (Impl::Gpu& gpu : impl_->gpus) {
    const auto share = impl_->nvml.active_share(gpu.uuid);
    if (!share) continue;
    gpu.sum += *share;
    ++gpu.samples;
  }
}

double GpuActivity::share(DeviceId device) const {
  const std::lock_guard lock(impl_->mutex);
  for (const Impl::Gpu& gpu : impl_->gpus) {
    if (gpu.id == device && gpu.samples > 0) return gpu.sum / gpu.samples;
  }
  return -1;
}

}  // namespace flowtts
