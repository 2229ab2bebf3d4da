#include <flowtts/device.h>

#include <exception>
#include <fstream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <flowtts/diagnostics.h>
#include <fmt/format.h>

namespace flowtts {
namespace {

/// Nothing to bind: stages that only use the CPU.
class HostRuntime final : public DeviceRuntime {
 public:
  Result<DeviceInfo> start(DeviceId device, MemoryLimit) override {
    if (device.kind != DeviceKind::kCpu) {
      return Error{
          "no_such_device",
          fmt::format("the device runtime 'host' has CPU devices only, not {}: the stage's "
                      "type declares no other runtime",
                      device.text())};
    }
    DeviceInfo info{device, "CPU", 0, 0};
    std::ifstream file("/proc/meminfo");
    std::string word;
    std::uint64_t kibibytes = 0;
    while (file >> word) {
      if (word == "MemTotal:" && file >> kibibytes) info.total_bytes = kibibytes * 1024;
      if (word == "MemAvailable:" && file >> kibibytes) info.free_bytes = kibibytes * 1024;
    }
    return info;
  }

  std::unique_ptr<LaneBinding> bind(DeviceId) override { return std::make_unique<LaneBinding>(); }
  DeviceMemory memory(DeviceId) const override { return {}; }
  bool loads_side_by_side() const override { return true; }
};

/// The runtimes that are known by name. Registration may come from a library that is loaded while
/// other threads run.
class Runtimes {
 public:
  static Runtimes& global() {
    static Runtimes runtimes;
    return runtimes;
  }

  void add(std::string name, DeviceRuntimeFactory factory) {
    const std::lock_guard lock(mutex_);
    if (!factories_.emplace(name, std::move(factory)).second) {
      throw std::logic_error("two device runtimes are named '" + name + "'");
    }
  }

  Result<DeviceRuntimeFactory> find(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    if (const auto found = factories_.find(name); found != factories_.end()) return found->second;
    std::vector<std::string> names;
    for (const auto& [known, factory] : factories_) names.push_back(known);
    return Error{"no_such_runtime", fmt::format("unknown device runtime '{}'; known: {}{}", name,
                                                list_words(names), did_you_mean(name, names))};
  }

 private:
  Runtimes() {
    factories_.emplace(
        "host", []() -> std::shared_ptr<DeviceRuntime> { return std::make_shared<HostRuntime>(); });
  }

  mutable std::mutex mutex_;
  std::map<std::string, DeviceRuntimeFactory, std::less<>> factories_;
};

}  // namespace

std::string DeviceId::text() const {
  return fmt::format("{}:{}", kind == DeviceKind::kCpu ? "cpu" : "cuda", index);
}

void register_device_runtime(std::string name, DeviceRuntimeFactory factory) {
  Runtimes::global().add(std::move(name), std::move(factory));
}

Result<std::shared_ptr<DeviceRuntime>> make_device_runtime(std::string_view name) {
  const auto factory = Runtimes::global().find(name);
  if (!factory) return factory.error();
  try {
    return (*factory)();
  } catch (const std::exception& exception) {
    return Error{"no_such_runtime",
                 fmt::format("the device runtime '{}' cannot be had: {}", name, exception.what())};
  }
}

}  // namespace flowtts
