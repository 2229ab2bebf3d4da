#include "stages/neural/torch/torch_lane.h"

#include <optional>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <flowtts/payloads.h>

#include "stages/neural/torch/device_audio.h"

namespace flowtts {

struct QuietWarnings::Guard {
  struct Ignore final : c10::WarningHandler {
    void process(const c10::Warning&) override {}
  };
  static Ignore& handler() {
    static Ignore ignore;
    return ignore;
  }
  c10::WarningUtils::WarningHandlerGuard guard{&handler()};  // of this thread
};

QuietWarnings::QuietWarnings() : guard_(std::make_unique<Guard>()) {}
QuietWarnings::~QuietWarnings() = default;

namespace {

/// On a CPU all there is to bind.
class CpuLane : public LaneBinding {
 public:
  CpuLane() {
    torch::jit::getExecutorMode() = false;  // process-wide; set again, whoever changed it
    at::set_num_threads(1);
  }

 private:
  QuietWarnings quiet_;
  c10::InferenceMode inference_;
};

class GpuLane final : public CpuLane {
 public:
  explicit GpuLane(c10::Device gpu) : device_(gpu) {
    stream_.emplace(c10::impl::VirtualGuardImpl(gpu.type()).getStreamFromGlobalPool(gpu));
  }
  ~GpuLane() override {
    // Pinned memory is given back through CUDA, which throws, here in a destructor, where the GPU
    // is lost. Then it stays until the process ends.
    if (!answers()) static_cast<void>(new at::Tensor(std::move(pinned_)));
  }

  /// All sounds of a batch in one copy.
  void bring_home(std::span<Result<AnyPayload>> payloads) override {
    std::vector<at::Tensor> parts;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      const Audio* audio = payloads[i].ok() ? payloads[i]->as<Audio>() : nullptr;
      if (audio == nullptr || !audio->on_device) continue;
      parts.push_back(static_cast<const TorchSamples&>(*audio->on_device).tensor());
      places.push_back(i);
    }
    if (parts.empty()) return;
    const at::Tensor packed = at::cat(parts);
    const at::Tensor host = pinned(packed.nbytes()).view(at::kFloat).narrow(0, 0, packed.numel());
    host.copy_(packed, /*non_blocking=*/true);
    wait();
    const float* first = host.const_data_ptr<float>();
    for (std::size_t i = 0; i < places.size(); ++i) {
      Audio audio = *payloads[places[i]]->as<Audio>();
      const auto count = static_cast<std::size_t>(parts[i].numel());
      audio.on_device.reset();
      audio.samples.assign(first, first + count);
      payloads[places[i]] = AnyPayload::of(std::move(audio));
      first += count;
    }
  }

 private:
  void wait() const {
    c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).synchronizeStream(stream_->current_stream());
  }

  bool answers() const {
    try {
      wait();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  /// Pinned host memory of the lane, bytes; what it held before is lost. Grows as needed, by half
  /// as much again, and is kept until the lane ends.
  at::Tensor pinned(std::size_t bytes) {
    const auto wanted = static_cast<std::int64_t>(bytes);
    if (!pinned_.defined() || pinned_.numel() < wanted) {
      pinned_ = at::Tensor();
      const std::int64_t room = (wanted + wanted / 2) / 4096 * 4096 + 4096;
      pinned_ = at::empty({room}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
    }
    return pinned_;
  }

  c10::DeviceGuard device_;
  std::optional<c10::StreamGuard> stream_;
  at::Tensor pinned_;
};

}  // namespace

std::unique_ptr<LaneBinding> bind_torch_lane(DeviceId device) {
  if (device.kind == DeviceKind::kCpu) return std::make_unique<CpuLane>();
  return std::make_unique<GpuLane>(
      c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device.index)));
}

}  // namespace flowtts
