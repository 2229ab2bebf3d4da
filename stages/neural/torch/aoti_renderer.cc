#include "stages/neural/torch/aoti_renderer.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/StringUtil.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include "stages/neural/torch/failure.h"
#include "stages/neural/torch/guarded.h"
#include "stages/neural/torch/torch_runtime.h"

namespace flowtts {
namespace {

using Loader = torch::inductor::AOTIModelPackageLoader;

Error cannot_load(const std::filesystem::path& package, std::string_view reason) {
  return {"voice_not_loaded",
          c10::str("the compiled voice ", package.string(), " cannot be loaded: ", reason), false,
          true};
}

}  // namespace

AotiRenderer::AotiRenderer(std::unique_ptr<Loader> loader, DeviceId device)
    : loader_(std::move(loader)), device_(device) {}

AotiRenderer::~AotiRenderer() = default;

Result<std::shared_ptr<AotiRenderer>> AotiRenderer::open(const std::filesystem::path& package,
                                                         DeviceId device, std::size_t lanes) {
  prepare_torch();
  std::error_code status;
  if (!std::filesystem::is_regular_file(package, status)) {
    return cannot_load(package, "there is no such file");
  }
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  try {
    // LibTorch writes the device of a CPU as -1.
    const int index = device.kind == DeviceKind::kCuda ? device.index : -1;
    auto loader = std::make_unique<Loader>(package.string(), "model", /*run_single_threaded=*/false,
                                           std::max<std::size_t>(1, lanes),
                                           static_cast<c10::DeviceIndex>(index));
    if (device.kind == DeviceKind::kCuda) {  // the lanes' streams know nothing of this one
      c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA)
          .synchronizeDevice(static_cast<c10::DeviceIndex>(index));
    }
    return std::shared_ptr<AotiRenderer>(new AotiRenderer(std::move(loader), device));
  } catch (const c10::Error& error) {
    return cannot_load(package, brief_failure(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return cannot_load(package, brief_failure(error.what()));
  }
}

Result<at::Tensor> AotiRenderer::run(std::vector<at::Tensor> inputs) {
  const at::Device where =
      device_.kind == DeviceKind::kCpu
          ? at::Device(at::kCPU)
          : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device_.index));
  std::vector<at::Tensor> made;
  const auto failure = guarded(where, [&] {
    for (at::Tensor& input : inputs) input = input.contiguous();
    made = loader_->boxed_run(std::move(inputs));
  });
  if (failure) return *failure;
  if (made.size() == 1) return std::move(made.front());
  return Error{"bad_model_output", c10::str("the compiled voice made ", made.size(),
                                            " tensors; expected is one, the audio")};
}

}  // namespace flowtts
