#include "stages/neural/cuda/cuda_module.h"

#include <algorithm>
#include <cstdio>
#include <exception>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include "stages/neural/cuda/audio_converter.h"

namespace flowtts {
namespace {

bool limit_memory(int device, std::uint64_t bytes, char* reason, std::size_t reason_size) {
  try {
    const auto index = static_cast<c10::DeviceIndex>(device);
    const c10::DeviceGuard guard(c10::Device(c10::DeviceType::CUDA, index));
    const std::size_t total =
        c10::getDeviceAllocator(c10::DeviceType::CUDA)->getMemoryInfo(index).second;
    const double fraction = static_cast<double>(bytes) / static_cast<double>(total);
    c10::cuda::CUDACachingAllocator::setMemoryFraction(std::min(fraction, 1.0), index);
    return true;
  } catch (const std::exception& exception) {
    std::snprintf(reason, reason_size, "%s", exception.what());
    return false;
  }
}

constexpr CudaModule kModule{sizeof(CudaModule), FLOWTTS_VERSION, &limit_memory, &make_converter,
                             &convert};

}  // namespace
}  // namespace flowtts

extern "C" const flowtts::CudaModule* flowtts_cuda_module() { return &flowtts::kModule; }
