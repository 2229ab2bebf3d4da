#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <flowtts/device.h>

#include "stages/neural/voice.h"

/// The door between libflowtts, which starts in milliseconds, and its LibTorch part: the module
/// libflowtts_torch.so, which is loaded when a stage first needs it.
namespace flowtts {

/// What the module brings.
struct TorchModule {
  std::string version;  ///< Of the FlowTTS that it was built with.
  DeviceRuntimeFactory make_runtime;
  VoiceEngineFactory open_torchscript;
  VoiceEngineFactory open_aoti;
  std::string torch_version;           ///< "2.11.0", of the headers that it was compiled with.
  std::filesystem::path torch_folder;  ///< The `torch` package or archive that it has loaded.
};

/// Called by the module's static initialiser, or by those of a program that the module's objects
/// are linked into.
void provide_torch_module(TorchModule module);

/// Loads the module unless it is there already. Any thread. Errors are fatal and carry the dynamic
/// linker's words. The result is valid for the life of the program.
Result<const TorchModule*> load_torch_module();

}  // namespace flowtts
