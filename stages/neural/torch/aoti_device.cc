#include "stages/neural/torch/aoti_device.h"

#include <charconv>

#include <dlfcn.h>

#include <c10/util/StringUtil.h>

namespace flowtts {
namespace {

std::string value_of(const std::unordered_map<std::string, std::string>& metadata,
                     const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

int number_of(const std::string& text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string with_capability(const std::string& kind, int capability) {
  return capability > 0 ? c10::str(kind, " (sm", capability, ")") : kind;
}

}  // namespace

std::optional<std::string> wrong_device(
    const std::unordered_map<std::string, std::string>& metadata, DeviceId device, int capability) {
  const std::string compiled_for = value_of(metadata, "AOTI_DEVICE_KEY");
  if (compiled_for.empty()) return std::nullopt;  // of a torch that does not say
  const bool gpu = device.kind == DeviceKind::kCuda;
  const int made_for = number_of(value_of(metadata, "AOTI_COMPUTE_CAPABILITY"));
  // Machine code of a GPU runs on those of its generation that can do as much.
  const bool other_card = gpu && made_for > 0 && capability > 0 &&
                          (made_for / 10 != capability / 10 || made_for > capability);
  if (compiled_for == (gpu ? "cuda" : "cpu") && !other_card) return std::nullopt;
  return c10::str("it is compiled for ", with_capability(compiled_for, made_for), ", and this is ",
                  with_capability(gpu ? device.text() : "cpu", capability),
                  ": run it on such a device, or compile it again with the module and the example "
                  "inputs on this one before torch.export.export");
}

int compute_capability(DeviceId device) {
  if (device.kind == DeviceKind::kCpu) return 0;
  // CUDA's driver is in the process where a GPU is used; its numbers are the interface's own.
  constexpr int kMajor = 75, kMinor = 76;
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (driver == nullptr) return 0;
  using Get = int (*)(int*, int);
  using Attribute = int (*)(int*, int, int);
  const auto get = reinterpret_cast<Get>(::dlsym(driver, "cuDeviceGet"));
  const auto attribute = reinterpret_cast<Attribute>(::dlsym(driver, "cuDeviceGetAttribute"));
  int number = 0, major = 0, minor = 0;
  const bool known = get != nullptr && attribute != nullptr && get(&number, device.index) == 0 &&
                     attribute(&major, kMajor, number) == 0 &&
                     attribute(&minor, kMinor, number) == 0;
  ::dlclose(driver);
  return known ? 10 * major + minor : 0;
}

}  // namespace flowtts
