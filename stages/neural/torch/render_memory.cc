#include "stages/neural/torch/render_memory.h"

#include <algorithm>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace flowtts {
namespace {

constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);

c10::DeviceAllocator& allocator() { return *c10::getDeviceAllocator(c10::DeviceType::CUDA); }

double allocated(c10::DeviceIndex device) {
  return static_cast<double>(allocator().getDeviceStats(device).allocated_bytes.at(kAll).current);
}

}  // namespace

std::optional<RenderBytes> measure_render(const RenderOnce& render, DeviceId device,
                                          std::size_t rows) {
  constexpr std::size_t kShort = 64;
  constexpr std::size_t kLong = 256;
  const auto index = static_cast<c10::DeviceIndex>(device.index);
  RenderBytes bytes;
  bytes.weights = allocated(index);
  const auto peak_of = [&](std::size_t frames) -> std::optional<double> {
    if (render(rows, frames))
      return std::nullopt;  // the first time libraries make themselves ready
    allocator().resetPeakStats(index);
    const double before = allocated(index);
    if (render(rows, frames)) return std::nullopt;
    c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).synchronizeDevice(index);
    return static_cast<double>(allocator().getDeviceStats(index).allocated_bytes.at(kAll).peak) -
           before;
  };
  const auto small = peak_of(kShort);
  const auto large = peak_of(kLong);
  if (!small || !large || *large <= *small) return std::nullopt;
  bytes.per_cell = (*large - *small) / static_cast<double>(rows * (kLong - kShort));
  bytes.fixed = std::max(0.0, *small - bytes.per_cell * static_cast<double>(rows * kShort));
  return bytes;
}

std::uint64_t RenderBudget::take(std::uint64_t bytes) {
  const std::uint64_t part = std::min(bytes, all_);
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return free_ >= part; });
  free_ -= part;
  return part;
}

void RenderBudget::give_back(std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    free_ += bytes;
  }
  freed_.notify_all();
}

}  // namespace flowtts
