#include "stages/neural/torch/torch_lane.h"

#include <map>
#include <mutex>
#include <vector>

#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "stages/audio/audio_lane.h"
#include "stages/neural/torch/device_audio.h"
#include "stages/neural/torch/guarded.h"

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

class GpuLane final : public CpuLane, public AudioLane {
 public:
  GpuLane(at::Device gpu, c10::Stream stream)
      : gpu_(gpu), device_(gpu), stream_(stream), converter_(gpu), carrier_(gpu) {}

  ~GpuLane() override {
    try {
      carrier_.wait();
    } catch (const std::exception&) {
      carrier_.abandon();
    }
  }

  std::vector<Result<Audio>> convert(std::span<const Audio* const> sounds, std::uint32_t rate,
                                     bool pcm_16) override {
    std::vector<Result<Audio>> converted;
    const auto failure =
        guarded(gpu_, [&] { converted = converter_.convert(sounds, rate, pcm_16); });
    if (failure) return {sounds.size(), *failure};
    return converted;
  }

  void bring_home(std::span<Result<AnyPayload>> payloads) override {
    const auto failure = guarded(gpu_, [&] { carrier_.bring_home(payloads); });
    if (!failure) return;
    for (Result<AnyPayload>& payload : payloads) {
      const Audio* audio = payload.ok() ? payload->as<Audio>() : nullptr;
      if (audio != nullptr && audio->on_device) payload = *failure;
    }
  }

 private:
  const at::Device gpu_;
  c10::DeviceGuard device_;
  c10::StreamGuard stream_;
  SoundConverter converter_;
  SoundCarrier carrier_;
};

}  // namespace

std::unique_ptr<LaneBinding> bind_torch_lane(DeviceId device, bool one_stream) {
  if (device.kind == DeviceKind::kCpu) return std::make_unique<CpuLane>();
  const at::Device gpu(at::kCUDA, static_cast<c10::DeviceIndex>(device.index));
  const auto new_stream = [gpu] {
    return c10::impl::VirtualGuardImpl(gpu.type()).getStreamFromGlobalPool(gpu);
  };
  if (!one_stream) return std::make_unique<GpuLane>(gpu, new_stream());
  static std::mutex mutex;
  static std::map<DeviceId, c10::Stream> streams;
  const std::lock_guard lock(mutex);
  auto known = streams.find(device);
  if (known == streams.end()) known = streams.emplace(device, new_stream()).first;
  return std::make_unique<GpuLane>(gpu, known->second);
}

}  // namespace flowtts
