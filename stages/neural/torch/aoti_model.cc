#include "stages/neural/torch/aoti_model.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/StringUtil.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <flowtts/diagnostics.h>

#include "stages/neural/torch/aoti_device.h"
#include "stages/neural/torch/aoti_signature.h"
#include "stages/neural/torch/failure.h"
#include "stages/neural/torch/guarded.h"
#include "stages/neural/torch/torch_runtime.h"

namespace flowtts {
namespace {

using Loader = torch::inductor::AOTIModelPackageLoader;

constexpr const char* kCheckInputs = "AOTI_RUNTIME_CHECK_INPUTS";

Error not_loaded(const std::filesystem::path& package, std::string_view reason) {
  return {"voice_not_loaded",
          c10::str("the compiled package ", package.string(), " cannot be loaded: ", reason), false,
          true};
}

std::mutex& one_at_a_time() {
  static std::mutex mutex;
  return mutex;
}

/// Looks into a package without loading code; throws where the file is none.
std::optional<std::string> look_into(const std::filesystem::path& package, const std::string& model,
                                     DeviceId device) {
  const std::vector<std::string> models = models_in_package(package);
  if (models.empty()) {
    return "it is no package of AOTInductor (.pt2), as torch._inductor.aoti_compile_and_package "
           "writes it";
  }
  if (std::find(models.begin(), models.end(), model) == models.end()) {
    return c10::str("it has no model '", model, "'; it has ", list_words(models),
                    did_you_mean(model, models));
  }
  return wrong_device(Loader::load_metadata_from_package(package.string(), model), device,
                      compute_capability(device));
}

std::unique_ptr<Loader> load(const std::filesystem::path& package, const std::string& model,
                             DeviceId device, std::size_t lanes) {
  // LibTorch writes the device of a CPU as -1.
  const int index = device.kind == DeviceKind::kCuda ? device.index : -1;
  auto loader = std::make_unique<Loader>(package.string(), model, /*run_single_threaded=*/false,
                                         std::max<std::size_t>(1, lanes),
                                         static_cast<c10::DeviceIndex>(index));
  if (device.kind == DeviceKind::kCuda) {  // the lanes' streams know nothing of this one
    c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA)
        .synchronizeDevice(static_cast<c10::DeviceIndex>(index));
  }
  return loader;
}

}  // namespace

std::vector<std::string> models_in_package(const std::filesystem::path& package) {
  constexpr std::string_view kFolder = "data/aotinductor/";
  std::set<std::string> names;
  try {
    caffe2::serialize::PyTorchStreamReader reader(package.string());
    for (const std::string& record : reader.getAllRecords()) {
      const std::size_t begin = record.find(kFolder);
      const std::size_t end =
          begin == std::string::npos ? begin : record.find('/', begin + kFolder.size());
      if (end == std::string::npos) continue;
      names.insert(record.substr(begin + kFolder.size(), end - begin - kFolder.size()));
    }
  } catch (const std::exception&) {
    // no archive of torch's
  }
  return {names.begin(), names.end()};
}

AotiModel::AotiModel(std::unique_ptr<Loader> loader, DeviceId device)
    : loader_(std::move(loader)), device_(device) {
  const std::vector<std::string> specs = loader_->get_call_spec();
  if (specs.size() != 2) return;
  inputs_ = names_in_spec(specs[0], /*inputs=*/true);
  outputs_ = names_in_spec(specs[1], /*inputs=*/false);
}

AotiModel::~AotiModel() = default;

Result<std::shared_ptr<AotiModel>> AotiModel::open(const std::filesystem::path& package,
                                                   const std::string& model, DeviceId device,
                                                   std::size_t lanes) {
  prepare_torch();
  std::error_code status;
  if (!std::filesystem::is_regular_file(package, status)) {
    return not_loaded(package, "there is no such file");
  }
  const std::lock_guard lock(one_at_a_time());
  try {
    if (const auto reason = look_into(package, model, device)) return not_loaded(package, *reason);
    return std::shared_ptr<AotiModel>(new AotiModel(load(package, model, device, lanes), device));
  } catch (const c10::Error& error) {
    return not_loaded(package, brief_failure(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return not_loaded(package, brief_failure(error.what()));
  }
}

Result<std::vector<at::Tensor>> AotiModel::run(std::vector<at::Tensor> inputs) {
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
  return made;
}

CheckedInputs::CheckedInputs() {
  one_at_a_time().lock();
  set_ = std::getenv(kCheckInputs) == nullptr;  // a setting of the user's own is left alone
  if (set_) ::setenv(kCheckInputs, "1", 1);
}

CheckedInputs::~CheckedInputs() {
  if (set_) ::unsetenv(kCheckInputs);
  one_at_a_time().unlock();
}

}  // namespace flowtts
