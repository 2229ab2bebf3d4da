#include "stages/neural/worker/environment.h"

#include <algorithm>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include "core/device/nvml.h"
#include "stages/neural/shared_library.h"
#include "stages/neural/worker/process.h"

namespace flowtts {
namespace {

bool is_variable(std::string_view entry, std::string_view name) {
  return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
}

std::string value_of(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (is_variable(entry, name)) return entry.substr(name.size() + 1);
  }
  return "";
}

void set(std::vector<std::string>& environment, std::string_view name, std::string_view value) {
  std::erase_if(environment, [&](const std::string& entry) { return is_variable(entry, name); });
  environment.push_back(fmt::format("{}={}", name, value));
}

}  // namespace

std::vector<std::string> worker_environment(const std::vector<std::string>& base, DeviceId device,
                                            const std::string& card,
                                            const std::filesystem::path& sdk) {
  std::vector<std::string> made = base;
  const bool cpu = device.kind == DeviceKind::kCpu;
  set(made, "CUDA_VISIBLE_DEVICES", cpu ? "" : card);
  const std::string path = value_of(base, "PYTHONPATH");
  set(made, "PYTHONPATH", path.empty() ? sdk.string() : fmt::format("{}:{}", sdk.string(), path));
  set(made, "PYTHONUNBUFFERED", "1");
  set(made, "FLOWTTS_WORKER_FD", std::to_string(ChildProcess::kSocket));
  if (cpu && value_of(base, "OMP_NUM_THREADS").empty()) set(made, "OMP_NUM_THREADS", "1");
  return made;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** entry = environ; entry && *entry; ++entry) all.emplace_back(*entry);
  return all;
}

Result<std::string> card_uuid(DeviceId device) {
  if (device.kind == DeviceKind::kCpu) return std::string();
  const std::vector<NvmlGpu> gpus = visible_nvml_gpus();
  for (const NvmlGpu& gpu : gpus) {
    if (gpu.info.id == device) return gpu.uuid;
  }
  return Error{"no_such_device",
               gpus.empty()
                   ? fmt::format("there is no {}: no GPU is to be seen here", device.text())
                   : fmt::format("there is no {}; there is cuda:0 to cuda:{}", device.text(),
                                 gpus.size() - 1),
               false, true};
}

Result<std::filesystem::path> worker_sdk_folder() {
  const std::filesystem::path library = library_folder();
  // The build folder may be laid out in another way than an installation.
  for (const std::string_view data : {FLOWTTS_LIBRARY_DATA_DIR, FLOWTTS_BUILD_DATA_DIR}) {
    const std::filesystem::path folder = (library / data / "workers").lexically_normal();
    std::error_code ignored;
    if (std::filesystem::is_regular_file(folder / "flowtts_worker.py", ignored)) return folder;
  }
  return Error{"no_sdk",
               fmt::format("there is no {}/workers/flowtts_worker.py, which belongs to {}: the "
                           "installation is not whole",
                           (library / FLOWTTS_LIBRARY_DATA_DIR).lexically_normal().string(),
                           library.string()),
               false, true};
}

}  // namespace flowtts
