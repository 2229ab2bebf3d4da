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
  std::mutex one_load_at_a_time;           ///< Held where the runtime wants that.
};

/// A device as all stages that run on it share it. For any thread.
class SharedDevice {
 public:
  SharedDevice(SharedRuntime& runtime, DeviceId id) : runtime_(runtime), id_(id) {}

  SharedRuntime& runtime() { return runtime_; }
  DeviceId id() const { return id_; }

  /// The tightest of all limits holds; 0 is none. Before `start`.
  void limit_memory(std::uint64_t bytes) {
    if (bytes > 0 && (memory_limit_bytes_ == 0 || bytes < memory_limit_bytes_)) {
      memory_limit_bytes_ = bytes;
    }
  }

  /// Starts the device at the first call; every call waits for that and returns what it gave.
  Result<DeviceInfo> start() {
    const std::lock_guard lock(mutex_);
    if (!started_) started_ = runtime_.runtime->start(id_, memory_limit_bytes_);
    return *started_;
  }

 private:
  SharedRuntime& runtime_;
  DeviceId id_;
  std::uint64_t memory_limit_bytes_ = 0;
  std::mutex mutex_;
  std::optional<Result<DeviceInfo>> started_;
};

}  // namespace flowtts
