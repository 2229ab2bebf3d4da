#pragma once

#include <cstdint>

#include <ATen/ATen.h>

namespace flowtts {

/// A new tensor of the host that is to go to a device. Pinned where that is a GPU: the copy would
/// otherwise wait for all that the lane's stream has to do before it.
inline at::Tensor host_tensor(std::int64_t count, at::ScalarType type, at::Device device) {
  return at::empty({count}, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
}

/// Whole numbers that are written on the host, travel to a device in one copy and are cut up there.
class DeviceNumbers {
 public:
  DeviceNumbers(std::int64_t count, at::Device device)
      : device_(device), host_(host_tensor(count, at::kLong, device)) {}

  std::int64_t* data() { return host_.mutable_data_ptr<std::int64_t>(); }
  void send() { there_ = host_.to(device_, /*non_blocking=*/true); }
  at::Tensor cut(std::int64_t begin, std::int64_t count) const {
    return there_.narrow(0, begin, count);
  }

 private:
  const at::Device device_;
  at::Tensor host_, there_;
};

}  // namespace flowtts
