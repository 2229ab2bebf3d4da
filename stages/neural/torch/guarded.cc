#include "stages/neural/torch/guarded.h"

#include <string>
#include <utility>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include "stages/neural/torch/failure.h"

namespace flowtts {
namespace {

std::int64_t count_failed_allocations(c10::Device device) {
  if (!device.is_cuda()) return 0;
  return c10::getDeviceAllocator(device.type())->getDeviceStats(device.index()).num_ooms;
}

/// After an error that loses the device every call fails.
FailureKind look_closer(c10::Device device, FailureKind kind, std::int64_t failed_before) {
  if (!device.is_cuda()) return kind;
  try {
    const c10::impl::VirtualGuardImpl guard(device.type());
    guard.synchronizeStream(guard.getStream(device));
    const bool gave_up = count_failed_allocations(device) > failed_before;
    return kind == FailureKind::kOther && gave_up ? FailureKind::kOutOfMemory : kind;
  } catch (const std::exception&) {
    return FailureKind::kDeviceLost;
  }
}

}  // namespace

std::optional<Error> guarded(c10::Device device, const std::function<void()>& call) {
  const std::int64_t failed_allocations = count_failed_allocations(device);
  FailureKind kind = FailureKind::kOther;
  std::string message;
  try {
    call();
    return std::nullopt;
  } catch (const c10::OutOfMemoryError& error) {
    kind = FailureKind::kOutOfMemory;
    message = brief_failure(error.what_without_backtrace());
  } catch (const c10::Error& error) {
    kind = classify_failure(error.what_without_backtrace());
    message = brief_failure(error.what_without_backtrace());
  } catch (const std::exception& error) {
    kind = classify_failure(error.what());
    message = brief_failure(error.what());
  }
  return failure_error(look_closer(device, kind, failed_allocations), std::move(message));
}

}  // namespace flowtts
