#include <dlfcn.h>

#include <ATen/Context.h>
#include <torch/version.h>

#include "stages/neural/torch/torch_engine.h"
#include "stages/neural/torch/torch_runtime.h"
#include "stages/neural/torch_loader.h"

namespace flowtts {
namespace {

/// The folder that has lib/ with LibTorch's libraries in it; empty where the linker does not know.
std::filesystem::path torch_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&at::globalContext), &info) == 0) return {};
  std::error_code ignored;
  return std::filesystem::absolute(info.dli_fname, ignored).parent_path().parent_path();
}

/// Runs when the module is loaded.
struct Provision {
  Provision() {
    provide_torch_module(
        {FLOWTTS_VERSION,
         [] { return Result<std::shared_ptr<DeviceRuntime>>(make_torch_runtime()); },
         [](const VoiceConfig& voice, DeviceId device, const VoiceOptions& options) {
           return open_torchscript(voice, device, {options});
         },
         [](const VoiceConfig& voice, DeviceId device, const VoiceOptions& options) {
           return open_aoti(voice, device, {options});
         },
         TORCH_VERSION, torch_folder()});
  }
};
const Provision kProvision;

}  // namespace
}  // namespace flowtts
