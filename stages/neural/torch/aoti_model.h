#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <flowtts/device.h>
#include <flowtts/result.h>

namespace torch::inductor {
class AOTIModelPackageLoader;
}

namespace flowtts {

/// The names of the models in an AOTInductor package, sorted; empty where the file is none.
std::vector<std::string> models_in_package(const std::filesystem::path& package);

/// A model that AOTInductor has compiled, loaded onto a device: one copy of the weights for all
/// lanes. A package (.pt2) holds one or several under names.
///
/// `run` is called by the device's lanes at the same time, each with the device bound; it works on
/// the calling thread's current stream and does not wait for it. It blocks while as many calls as
/// `lanes` are at work. On a CPU it uses as many threads as the calling thread is set to.
class AotiModel {
 public:
  /// Loads a model of a package. Any thread; they are loaded one after another in a process, since
  /// torch's loader is not made for more. The fatal Error "voice_not_loaded" names the package: it
  /// is not there or is none, has no such model, or was compiled for another kind of device.
  /// \param model what torch calls the only one where nobody names it: "model".
  /// \param lanes how many calls of `run` may be at work at once.
  static Result<std::shared_ptr<AotiModel>> open(const std::filesystem::path& package,
                                                 const std::string& model, DeviceId device,
                                                 std::size_t lanes);

  ~AotiModel();
  AotiModel(const AotiModel&) = delete;
  AotiModel& operator=(const AotiModel&) = delete;

  /// What the model makes of these inputs, flattened. They lie on the device; contiguous copies are
  /// made where they are not contiguous, which compiled code takes for granted, as it does their
  /// types and ranks.
  ///
  /// Errors: "out_of_memory" (retryable: less at a time may succeed), "device_lost" (fatal),
  /// "model_failed". Compiled code keeps its exceptions to itself and tells only that there was
  /// one, so on a GPU the kind is found out from the allocator and the device.
  Result<std::vector<at::Tensor>> run(std::vector<at::Tensor> inputs);

  /// What the package says of a call; an empty name has its place alone.
  const std::vector<std::string>& inputs() const { return inputs_; }
  const std::vector<std::string>& outputs() const { return outputs_; }

 private:
  AotiModel(std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader, DeviceId device);

  const std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader_;
  const DeviceId device_;
  std::vector<std::string> inputs_, outputs_;
};

/// While it lives, packages' code that is called for the first time in the process is told to look
/// at the types and ranks of its inputs, now and in all later calls: AOTInductor's own check, which
/// it otherwise leaves out. One at a time.
class CheckedInputs {
 public:
  CheckedInputs();
  ~CheckedInputs();
  CheckedInputs(const CheckedInputs&) = delete;
  CheckedInputs& operator=(const CheckedInputs&) = delete;

 private:
  bool set_ = false;
};

}  // namespace flowtts
