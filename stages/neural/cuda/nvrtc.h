#pragma once

#include <string>
#include <vector>

#include <cuda.h>

#include <flowtts/result.h>

namespace flowtts {

/// The functions of CUDA's driver that programs compiled at run time need, and of its compiler
/// NVRTC. LibTorch brings both along in libcaffe2_nvrtc.so, which is loaded for their sake alone:
/// with a GPU's libraries it is there, and where they lie is LibTorch's affair.
struct DriverFunctions {
  decltype(&cuModuleLoadData) load_module = nullptr;
  decltype(&cuModuleGetFunction) get_function = nullptr;
  decltype(&cuModuleGetGlobal) get_global = nullptr;
  decltype(&cuLaunchKernel) launch = nullptr;
  decltype(&cuGetErrorString) error_string = nullptr;

  /// Loaded at the first call; then the same for the life of the process. Any thread.
  /// Error: "nvrtc_missing", with the dynamic linker's words.
  static const Result<DriverFunctions>& get();

  /// What the driver calls a result.
  std::string reason(CUresult result) const;
};

/// Compiles CUDA C++ into a program for the cards that `options` name: `--gpu-architecture=sm_90`.
/// Any thread. Errors: "nvrtc_missing"; "compile_failed", with the compiler's first words.
Result<std::string> compile_cuda(const char* source, const std::vector<std::string>& options);

}  // namespace flowtts
