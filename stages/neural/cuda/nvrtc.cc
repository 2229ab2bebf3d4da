#include "stages/neural/cuda/nvrtc.h"

#include <dlfcn.h>

#include <algorithm>
#include <memory>

#include <c10/cuda/CUDAFunctions.h>
#include <c10/util/StringUtil.h>

#include "stages/neural/shared_library.h"

namespace flowtts {
namespace {

// NVRTC's interface, whose header LibTorch's packages leave out. It has been the same since
// CUDA 11.1; 0 is success.
struct Program;
struct NvrtcFunctions {
  int (*create)(Program** program, const char* source, const char* name, int header_count,
                const char* const* headers, const char* const* header_names) = nullptr;
  int (*compile)(Program* program, int option_count, const char* const* options) = nullptr;
  int (*log_size)(Program* program, std::size_t* size) = nullptr;
  int (*log)(Program* program, char* text) = nullptr;
  int (*cubin_size)(Program* program, std::size_t* size) = nullptr;
  int (*cubin)(Program* program, char* bytes) = nullptr;
  int (*destroy)(Program** program) = nullptr;
  const char* (*error_string)(int result) = nullptr;
};

struct Functions {
  DriverFunctions driver;
  NvrtcFunctions nvrtc;
};

constexpr const char* kLibrary = "libcaffe2_nvrtc.so";

/// Looks functions up in a library and in those that it was linked with.
class Symbols {
 public:
  explicit Symbols(void* library) : library_(library) {}

  template <class Function>
  void find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
    if (function == nullptr && missing_.empty()) missing_ = name;
  }
  const std::string& missing() const { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

Result<Functions> load() {
  // LibTorch's libraries lie in one folder; this function is in one of them.
  const auto* in_libtorch = reinterpret_cast<const void*>(&c10::cuda::device_synchronize);
  const Result<void*> library = open_library_beside(in_libtorch, kLibrary);
  if (!library) return Error{"nvrtc_missing", library.error().message};
  Functions functions;
  Symbols symbols(*library);
  symbols.find("cuModuleLoadData", functions.driver.load_module);
  symbols.find("cuModuleGetFunction", functions.driver.get_function);
  symbols.find("cuModuleGetGlobal_v2", functions.driver.get_global);
  symbols.find("cuLaunchKernel", functions.driver.launch);
  symbols.find("cuGetErrorString", functions.driver.error_string);
  symbols.find("nvrtcCreateProgram", functions.nvrtc.create);
  symbols.find("nvrtcCompileProgram", functions.nvrtc.compile);
  symbols.find("nvrtcGetProgramLogSize", functions.nvrtc.log_size);
  symbols.find("nvrtcGetProgramLog", functions.nvrtc.log);
  symbols.find("nvrtcGetCUBINSize", functions.nvrtc.cubin_size);
  symbols.find("nvrtcGetCUBIN", functions.nvrtc.cubin);
  symbols.find("nvrtcDestroyProgram", functions.nvrtc.destroy);
  symbols.find("nvrtcGetErrorString", functions.nvrtc.error_string);
  if (symbols.missing().empty()) return functions;
  return Error{"nvrtc_missing", c10::str(kLibrary, " has no ", symbols.missing())};
}

const Result<Functions>& functions() {
  static const Result<Functions> instance = load();
  return instance;
}

std::string first_words(const NvrtcFunctions& nvrtc, Program* program) {
  std::size_t size = 0;
  if (nvrtc.log_size(program, &size) != 0 || size <= 1) return "";
  std::string log(size, '\0');
  if (nvrtc.log(program, log.data()) != 0) return "";
  log.resize(std::min<std::size_t>(size - 1, 300));
  return log;
}

}  // namespace

const Result<DriverFunctions>& DriverFunctions::get() {
  static const Result<DriverFunctions> instance = []() -> Result<DriverFunctions> {
    if (!functions()) return functions().error();
    return functions()->driver;
  }();
  return instance;
}

std::string DriverFunctions::reason(CUresult result) const {
  const char* text = nullptr;
  if (error_string(result, &text) == CUDA_SUCCESS && text != nullptr) return text;
  return c10::str("CUDA's driver says ", static_cast<int>(result));
}

Result<std::string> compile_cuda(const char* source, const std::vector<std::string>& options) {
  if (!functions()) return functions().error();
  const NvrtcFunctions& nvrtc = functions()->nvrtc;
  const auto failed = [&](int result, const std::string& more) {
    return Error{"compile_failed",
                 c10::str("NVRTC: ", nvrtc.error_string(result), more.empty() ? "" : ": ", more)};
  };
  Program* made = nullptr;
  if (const int result = nvrtc.create(&made, source, "flowtts.cu", 0, nullptr, nullptr)) {
    return failed(result, "");
  }
  const auto destroy = [&](Program* program) { nvrtc.destroy(&program); };
  const std::unique_ptr<Program, decltype(destroy)> program(made, destroy);
  std::vector<const char*> arguments;
  for (const std::string& option : options) arguments.push_back(option.c_str());
  if (const int result =
          nvrtc.compile(made, static_cast<int>(arguments.size()), arguments.data())) {
    return failed(result, first_words(nvrtc, made));
  }
  std::size_t size = 0;
  if (const int result = nvrtc.cubin_size(made, &size)) return failed(result, "");
  std::string binary(size, '\0');
  if (const int result = nvrtc.cubin(made, binary.data())) return failed(result, "");
  return binary;
}

}  // namespace flowtts
