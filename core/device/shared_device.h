#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <flowtts/device.h>

namespace flowtts {

/// A device runtime as all stages of a run share it.
struct SharedRuntime {
  std::string name;
  std::shared_ptr<DeviceRuntime> runtime;  ///< Set before any lane exists.
  std::timed_mutex one_load_at_a_time;     ///< Held where the runtime wants that.
};

/// A device as all stages that run on it share it. For any thread.
class SharedDevice {
 public:
  SharedDevice(SharedRuntime& runtime, DeviceId id) : runtime_(runtime), id_(id) {}

  SharedRuntime& runtime() { return runtime_; }
  DeviceId id() const { return id_; }

  /// Before `start`.
  void limit_memory(MemoryLimit limit) { memory_limit_ = limit; }

  /// Starts the device at the first call; every call waits for that and returns what it gave.
  Result<DeviceInfo> start() {
    const std::lock_guard lock(mutex_);
    if (!started_) started_ = runtime_.runtime->start(id_, memory_limit_);
    return *started_;
  }

 private:
  SharedRuntime& runtime_;
  DeviceId id_;
  MemoryLimit memory_limit_;
  std::mutex mutex_;
  std::optional<Result<DeviceInfo>> started_;
};

}  // namespace flowtts
