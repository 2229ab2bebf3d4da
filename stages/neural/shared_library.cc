#include "stages/neural/shared_library.h"

#include <dlfcn.h>

#include <filesystem>

#include <fmt/format.h>

namespace flowtts {
namespace {

/// Where the library or program that holds `address` lies; empty where the linker does not know.
std::filesystem::path folder_of(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  return std::filesystem::absolute(info.dli_fname, ignored).parent_path();
}

Result<void*> open_library(const std::string& name) {
  dlerror();  // forgets what an earlier call left
  // Global: LibTorch's CUDA part resolves against the CPU part that a module has brought along.
  if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_GLOBAL)) return handle;
  const char* reason = dlerror();
  return Error{"module_missing", reason ? reason : name + ": cannot be loaded", false, true};
}

}  // namespace

std::filesystem::path library_folder() {
  return folder_of(reinterpret_cast<const void*>(&library_folder));
}

Result<void*> open_library_beside(const void* address, const std::string& file_name) {
  std::error_code ignored;
  const std::filesystem::path beside = folder_of(address) / file_name;
  return open_library(std::filesystem::exists(beside, ignored) ? beside.string() : file_name);
}

Result<void*> open_module(const std::string& file_name) {
  return open_library_beside(reinterpret_cast<const void*>(&open_module), file_name);
}

}  // namespace flowtts
