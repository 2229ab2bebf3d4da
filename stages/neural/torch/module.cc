#include "stages/neural/torch/torch_runtime.h"
#include "stages/neural/torch/torchscript_engine.h"
#include "stages/neural/torch_loader.h"

namespace flowtts {
namespace {

/// Runs when the module is loaded.
struct Provision {
  Provision() {
    provide_torch_module(
        {FLOWTTS_VERSION,
         [] { return Result<std::shared_ptr<DeviceRuntime>>(make_torch_runtime()); },
         [](const VoiceConfig& voice, DeviceId device, const VoiceOptions& options) {
           return open_torchscript(voice, device, {options});
         }});
  }
};
const Provision kProvision;

}  // namespace
}  // namespace flowtts
