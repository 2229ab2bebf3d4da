#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include <flowtts/device.h>
#include <flowtts/result.h>

namespace torch::inductor {
class AOTIModelPackageLoader;
}

namespace flowtts {

/// A render part that AOTInductor has compiled (`flowtts voice compile`), loaded onto a device: one
/// copy of the weights for all lanes.
///
/// `run` is called by the device's lanes at the same time, each with the device bound; it works on
/// the calling thread's current stream and does not wait for it. It blocks while as many calls as
/// `lanes` are at work. On a CPU it uses as many threads as the calling thread is set to.
class AotiRenderer {
 public:
  /// Loads a package. Any thread; packages are loaded one after another in a process, since torch's
  /// loader is not made for more. The fatal Error "voice_not_loaded" names the package.
  /// \param lanes how many calls of `run` may be at work at once.
  static Result<std::shared_ptr<AotiRenderer>> open(const std::filesystem::path& package,
                                                    DeviceId device, std::size_t lanes);

  ~AotiRenderer();
  AotiRenderer(const AotiRenderer&) = delete;
  AotiRenderer& operator=(const AotiRenderer&) = delete;

  /// What the package makes of these inputs, its one tensor. They lie on the device; contiguous
  /// copies are made where they are not contiguous, which compiled code takes for granted.
  ///
  /// Errors: "out_of_memory" (retryable: less at a time may succeed), "device_lost" (fatal),
  /// "bad_model_output" (not one tensor), "model_failed". Compiled code keeps its exceptions to
  /// itself and tells only that there was one, so on a GPU the kind is found out from the allocator
  /// and the device.
  Result<at::Tensor> run(std::vector<at::Tensor> inputs);

 private:
  AotiRenderer(std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader, DeviceId device);

  const std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader_;
  const DeviceId device_;
};

}  // namespace flowtts
