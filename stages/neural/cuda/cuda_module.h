#pragma once

#include <cstddef>
#include <cstdint>

/// What FlowTTS needs of CUDA beyond LibTorch's device-independent interface: libflowtts_cuda.so,
/// built where CUDA's headers are, loaded when a GPU is used, never linked.
namespace flowtts {

inline constexpr const char* kCudaModuleFile = "libflowtts_cuda.so";
inline constexpr const char* kCudaModuleEntry = "flowtts_cuda_module";

/// The module's functions. Callable from any thread once LibTorch has initialised CUDA. Each says
/// by its result whether it succeeded, and if not, why, in `reason`, cut to its size.
struct CudaModule {
  std::size_t struct_size;
  const char* version;  ///< Of the FlowTTS that it was built with.

  /// Bounds what LibTorch's allocator takes of a GPU.
  bool (*limit_memory)(int device, std::uint64_t bytes, char* reason, std::size_t reason_size);
};

using CudaModuleEntry = const CudaModule*();

}  // namespace flowtts
