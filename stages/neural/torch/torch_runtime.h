#pragma once

#include <memory>

#include <flowtts/device.h>

namespace flowtts {

/// The runtime "torch": LibTorch's devices.
///
/// `bind` puts in force on a lane's thread, until the binding goes: InferenceMode, the device and,
/// on a GPU, a stream of the lane's own and pinned host memory, through which sounds come home. It
/// also sets what stays: one CPU thread a lane, TF32 and cuDNN's benchmarking off, TorchScript's
/// graph executor without profiling. With TF32 or the profiling executor voices predict other
/// lengths.
///
/// `start` on a GPU loads libtorch_cuda; a memory limit needs FlowTTS's CUDA module as well.
std::shared_ptr<DeviceRuntime> make_torch_runtime();

/// What a process holds of a GPU beside its tensors, bytes: CUDA's context, code and the libraries'
/// handles, 720 to 745 MiB on an H200. A memory limit includes it.
inline constexpr double kOutsideAllocator = 768.0 * (1 << 20);

/// Loads libtorch_cuda where the machine has a GPU. LibTorch looks once for its CUDA part, at the
/// first convolution or the like, even on the CPU: call this before any use of LibTorch. A failure
/// is told by `DeviceRuntime::start` of a GPU, and matters to nobody else.
void prepare_torch();

}  // namespace flowtts
