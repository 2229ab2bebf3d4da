#include "stages/neural/torch/torch_runtime.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <ATen/Context.h>
#include <c10/core/AllocatorConfig.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Logging.h>
#include <c10/util/StringUtil.h>

#include "stages/neural/shared_library.h"
#include "stages/neural/torch/cuda_loader.h"
#include "stages/neural/torch/failure.h"
#include "stages/neural/torch/torch_lane.h"

namespace flowtts {
namespace {

/// Compiled code reports each allocation that fails to LibTorch's log, with pages of stack frames;
/// here that is an event like others, which the executor deals with and counts. A level of the
/// user's own is left alone.
void keep_log_quiet() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

Error unavailable(DeviceId device, std::string_view reason) {
  return Error{"device_unavailable", c10::str(device.text(), " cannot be used: ", reason), false,
               true};
}

/// Loads libtorch_cuda, once for the process. Nothing where it is there.
std::optional<std::string> load_torch_cuda() {
  static std::mutex mutex;
  static bool loaded = false;
  const std::lock_guard lock(mutex);
  if (loaded) return std::nullopt;
  const auto* inside_torch = reinterpret_cast<const void*>(&at::globalContext);
  const Result<void*> handle = open_library_beside(inside_torch, "libtorch_cuda.so");
  if (!handle.ok()) return handle.error().message;
  loaded = true;
  return std::nullopt;
}

/// One segment that grows instead of many of different sizes: batches of ever new shapes would
/// leave gaps between them. A setting of the user's own is left alone.
void choose_allocator() {
  static bool chosen = false;
  if (std::exchange(chosen, true)) return;
  if (std::getenv("PYTORCH_ALLOC_CONF") || std::getenv("PYTORCH_CUDA_ALLOC_CONF")) return;
  c10::CachingAllocator::setAllocatorSettings("expandable_segments:True");
}

c10::DeviceIndex torch_index(DeviceId device) {
  return static_cast<c10::DeviceIndex>(device.index);
}

class TorchRuntime final : public DeviceRuntime {
 public:
  TorchRuntime() {
    const QuietWarnings quiet;
    prepare_torch();
    keep_log_quiet();
    at::Context& context = at::globalContext();
    context.setAllowTF32CuDNN(false);
    context.setAllowTF32CuBLAS(false);
    context.setBenchmarkCuDNN(false);  // tries every algorithm for every new shape
  }

  Result<DeviceInfo> start(DeviceId device, MemoryLimit limit) override {
    if (device.kind == DeviceKind::kCpu) return start_host(device, limit);
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    const QuietWarnings quiet;
    try {
      return start_gpu(device, limit);
    } catch (const std::exception& exception) {
      return unavailable(device, brief_failure(exception.what()));
    }
  }

  std::unique_ptr<LaneBinding> bind(DeviceId device) override {
    const std::lock_guard lock(mutex_);
    return bind_torch_lane(device, limited_.contains(device));
  }

  DeviceMemory memory(DeviceId device) const override {
    if (device.kind == DeviceKind::kCpu) return {};
    constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    const auto stats =
        c10::getDeviceAllocator(c10::DeviceType::CUDA)->getDeviceStats(torch_index(device));
    const auto& reserved = stats.reserved_bytes.at(kAll);
    return {static_cast<std::uint64_t>(reserved.current),
            static_cast<std::uint64_t>(stats.allocated_bytes.at(kAll).current),
            static_cast<std::uint64_t>(reserved.peak)};
  }

  void synchronize(DeviceId device) override {
    if (device.kind == DeviceKind::kCpu) return;
    try {
      c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).synchronizeDevice(torch_index(device));
    } catch (const std::exception&) {
      // A device that is lost: the next batch meets it and says so.
    }
  }

  void release_cached(DeviceId device) override {
    if (device.kind == DeviceKind::kCpu) return;
    try {
      c10::getDeviceAllocator(c10::DeviceType::CUDA)->emptyCache();
    } catch (const std::exception&) {
      // As above.
    }
  }

 private:
  mutable std::mutex mutex_;
  std::set<DeviceId> limited_;  ///< GPUs whose memory is limited in this run.

  /// What core's own runtime says of the CPU.
  static Result<DeviceInfo> start_host(DeviceId device, MemoryLimit limit) {
    const auto host = make_device_runtime("host");
    if (!host.ok()) return host.error();
    return (*host)->start(device, limit);
  }

  Result<DeviceInfo> start_gpu(DeviceId device, MemoryLimit limit) {
    if (const auto reason = load_torch_cuda()) {
      return unavailable(device, *reason + " (LibTorch's GPU part or a library that it needs)");
    }
    if (!at::hasCUDA()) {
      return unavailable(device,
                         "LibTorch was used before its GPU part was loaded, and has taken "
                         "note that there is none");
    }
    choose_allocator();
    at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);  // throws with the driver's reason
    const int count = c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount();
    if (device.index >= count) {
      return unavailable(device, c10::str("LibTorch sees ", count, " GPU", count == 1 ? "" : "s",
                                          ", numbered from 0"));
    }
    // A limit of an earlier run in this process does not hold for one without.
    {
      const std::lock_guard one_at_a_time(mutex_);
      if (limit.limits()) limited_.insert(device);
    }
    static std::set<int> limited;
    if (limit.limits() || limited.contains(device.index)) {
      const std::uint64_t bytes = limit.limits()
                                      ? allocator_share(limit.of(describe(device).total_bytes))
                                      : ~std::uint64_t{0};
      if (const auto reason = limit_memory(device, bytes)) return unavailable(device, *reason);
      limited.insert(device.index);
    }
    return describe(device);
  }

  /// What is left for tensors of the memory that a run may take, bytes.
  static std::uint64_t allocator_share(std::uint64_t bytes) {
    const auto outside = static_cast<std::uint64_t>(kOutsideAllocator);
    return bytes > outside ? bytes - outside : 1;
  }

  static std::optional<std::string> limit_memory(DeviceId device, std::uint64_t bytes) {
    const Result<const CudaModule*> module = load_cuda_module();
    if (!module.ok()) {
      return c10::str("its memory cannot be limited without FlowTTS's CUDA module: ",
                      module.error().message);
    }
    std::array<char, 512> reason{};
    if ((*module)->limit_memory(device.index, bytes, reason.data(), reason.size())) {
      return std::nullopt;
    }
    return brief_failure(reason.data());
  }

  static DeviceInfo describe(DeviceId device) {
    DeviceInfo info;
    info.id = device;
    const c10::DeviceGuard guard(c10::Device(c10::DeviceType::CUDA, torch_index(device)));
    const auto [free, total] =
        c10::getDeviceAllocator(c10::DeviceType::CUDA)->getMemoryInfo(torch_index(device));
    info.free_bytes = free;
    info.total_bytes = total;
    for (const DeviceInfo& gpu : visible_gpus()) {
      if (gpu.id == device) info.name = gpu.name;
    }
    return info;
  }
};

}  // namespace

void prepare_torch() {
  if (!visible_gpus().empty()) load_torch_cuda();
}

std::shared_ptr<DeviceRuntime> make_torch_runtime() { return std::make_shared<TorchRuntime>(); }

}  // namespace flowtts
