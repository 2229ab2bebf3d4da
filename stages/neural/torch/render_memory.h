#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <flowtts/device.h>
#include <flowtts/result.h>

#include "stages/neural/render_bytes.h"

namespace flowtts {

/// Runs a render of rows × frames on the lane's device, whatever its sentences.
using RenderOnce = std::function<std::optional<Error>(std::size_t rows, std::size_t frames)>;

/// Measures what a render part takes: runs it in two sizes and looks at the allocator's peak.
/// Nothing where it fails. While nothing else works on the device; on a lane's thread.
std::optional<RenderBytes> measure_render(const RenderOnce& render, DeviceId device,
                                          std::size_t rows);

/// A device's memory for renders, shared out among lanes by what they will take. For any thread.
class RenderBudget {
 public:
  explicit RenderBudget(std::uint64_t bytes) : free_(bytes), all_(bytes) {}

  /// One batch's part, given back at the end of its life. The constructor waits until so much is
  /// free; what is more than all there is goes alone.
  class Part {
   public:
    Part(RenderBudget& budget, std::uint64_t bytes) : budget_(budget), bytes_(budget.take(bytes)) {}
    ~Part() { budget_.give_back(bytes_); }
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;

   private:
    RenderBudget& budget_;
    const std::uint64_t bytes_;
  };

 private:
  std::uint64_t take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes);

  std::mutex mutex_;
  std::condition_variable freed_;
  std::uint64_t free_;
  const std::uint64_t all_;
};

}  // namespace flowtts
