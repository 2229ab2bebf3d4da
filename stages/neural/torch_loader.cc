#include "stages/neural/torch_loader.h"

#include <cstdlib>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "stages/neural/shared_library.h"

namespace flowtts {
namespace {

constexpr const char* kModuleFile = "libflowtts_torch.so";

/// oneDNN, which computes LibTorch's convolutions on a CPU, keeps what it has made for a layer and
/// a length, 1,024 of them. Sentences have hundreds of lengths and models tens of layers: most were
/// made anew for each sentence, which took 10 to 20% of the time (bench/cpu_table.py). So many take
/// 120 MiB at the default voice.
constexpr const char* kPrimitives = "ONEDNN_PRIMITIVE_CACHE_CAPACITY";
constexpr const char* kMostPrimitives = "8192";

struct Loaded {
  std::mutex mutex;
  std::unique_ptr<const TorchModule> module;
};

/// Made at the first use, since static initialisers of other files call in.
Loaded& loaded() {
  static Loaded instance;
  return instance;
}

Result<const TorchModule*> provided() {
  Loaded& state = loaded();
  const std::lock_guard lock(state.mutex);
  if (!state.module) {
    return Error{"module_missing", fmt::format("{} is not a module of FlowTTS", kModuleFile), false,
                 true};
  }
  if (state.module->version != FLOWTTS_VERSION) {
    return Error{
        "module_mismatch",
        fmt::format("{} belongs to FlowTTS {}, this is {}: build and install both together",
                    kModuleFile, state.module->version, FLOWTTS_VERSION),
        false, true};
  }
  return state.module.get();
}

/// The light library's own entries for what the module brings: they load it when they are used, so
/// that `flowtts check` knows the names without LibTorch.
struct Registration {
  Registration() {
    register_device_runtime("torch", []() -> Result<std::shared_ptr<DeviceRuntime>> {
      const auto module = load_torch_module();
      if (!module.ok()) return module.error();
      return (*module)->make_runtime();
    });
    register_format("torchscript", &TorchModule::open_torchscript);
    register_format("aoti", &TorchModule::open_aoti);
  }

  static void register_format(std::string name, VoiceEngineFactory TorchModule::*open) {
    VoiceFormat format{std::move(name), "torch", {}};
    format.factory = [open](const VoiceConfig& voice, DeviceId device,
                            const VoiceOptions& options) -> Result<std::shared_ptr<VoiceEngine>> {
      const auto module = load_torch_module();
      if (!module.ok()) return module.error();
      return ((*module)->*open)(voice, device, options);
    };
    format.io = NamedIo::kOptional;
    format.parts = true;
    register_voice_format(std::move(format));
  }
};
const Registration kRegistration;

}  // namespace

void provide_torch_module(TorchModule module) {
  Loaded& state = loaded();
  const std::lock_guard lock(state.mutex);
  if (!state.module) state.module = std::make_unique<const TorchModule>(std::move(module));
}

Result<const TorchModule*> load_torch_module() {
  // Loading runs the module's static initialisers, which call provide_torch_module: not under its
  // mutex. The dynamic linker sees to it that two threads load it once.
  bool there = false;
  {
    const std::lock_guard lock(loaded().mutex);
    there = loaded().module != nullptr;
  }
  if (!there) {
    // It has no function for it that LibTorch shows. A number of the user's own stays.
    ::setenv(kPrimitives, kMostPrimitives, /*overwrite=*/0);
    const Result<void*> handle = open_module(kModuleFile);
    if (!handle.ok()) {
      Error error = handle.error();
      error.message = fmt::format(
          "FlowTTS's LibTorch part cannot be loaded: {}. It needs the folder of LibTorch's "
          "libraries "
          "(torch/lib) in LD_LIBRARY_PATH, or where it was when FlowTTS was built",
          error.message);
      return error;
    }
  }
  return provided();
}

}  // namespace flowtts
