#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <flowtts/device.h>
#include <flowtts/result.h>

namespace flowtts {

/// The environment of a worker for a device, made of this process's own.
///
/// CUDA_VISIBLE_DEVICES is the device's card alone, by its UUID, so that what a model calls "cuda"
/// or "cuda:0" is the right one whatever else is in the machine; it is empty for a CPU. PYTHONPATH
/// begins with the SDK's folder, and Python does not hold back what it prints. On a CPU
/// OMP_NUM_THREADS is 1 where nobody has set it, since every lane has a process.
///
/// \param base "NAME=value" each.
/// \param card the GPU's UUID; not used for a CPU.
std::vector<std::string> worker_environment(const std::vector<std::string>& base, DeviceId device,
                                            const std::string& card,
                                            const std::filesystem::path& sdk);

/// This process's environment.
std::vector<std::string> own_environment();

/// The UUID of a GPU that this process sees. The Error "no_such_device" names those there are.
Result<std::string> card_uuid(DeviceId device);

/// The folder of flowtts_worker.py: share/flowtts/workers of the installation or the build folder.
/// The Error "no_sdk" says where it was looked for.
Result<std::filesystem::path> worker_sdk_folder();

}  // namespace flowtts
