#include "stages/neural/torch/cuda_loader.h"

#include <dlfcn.h>

#include <string_view>

#include <c10/util/StringUtil.h>

#include "stages/neural/shared_library.h"

namespace flowtts {

Result<const CudaModule*> load_cuda_module() {
  const Result<void*> handle = open_module(kCudaModuleFile);
  if (!handle.ok()) return handle.error();
  const auto entry = reinterpret_cast<CudaModuleEntry*>(dlsym(*handle, kCudaModuleEntry));
  const CudaModule* module = entry ? entry() : nullptr;
  if (!module || module->struct_size != sizeof(CudaModule) ||
      std::string_view(module->version) != FLOWTTS_VERSION) {
    return Error{"module_mismatch",
                 c10::str(kCudaModuleFile, " belongs to another FlowTTS than this ",
                          FLOWTTS_VERSION, ": build and install both together"),
                 false, true};
  }
  return module;
}

}  // namespace flowtts
