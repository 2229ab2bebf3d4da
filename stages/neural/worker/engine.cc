#include <algorithm>
#include <memory>
#include <utility>

#include <flowtts/device.h>
#include <fmt/format.h>

#include "core/utf8.h"
#include "stages/neural/voice.h"
#include "stages/neural/worker/environment.h"
#include "stages/neural/worker/host_memory.h"
#include "stages/neural/worker/pool.h"
#include "stages/text/text_front_end.h"

namespace flowtts {
namespace {

/// The voice formats "worker" and "onnx": a pool of processes for each device.
class WorkerEngine final : public VoiceEngine {
 public:
  WorkerEngine(VoiceConfig voice, DeviceId device, std::unique_ptr<WorkerPool> pool)
      : voice_(std::move(voice)), device_(device), pool_(std::move(pool)) {}

  std::vector<Result<VoiceSound>> speak(std::span<const VoiceInput> batch,
                                        std::size_t /*rows*/) override {
    std::vector<WorkerItem> items;
    items.reserve(batch.size());
    for (const VoiceInput& input : batch) items.push_back(item_of(input));
    return pool_->speak(items);
  }

  std::size_t max_batch() const override {
    const std::size_t own = voice_.worker.max_batch;
    const std::size_t most = pool_->ready().max_batch;
    return own > 0 ? std::min(own, most) : most;
  }

  bool batch_dependent() const override {
    return max_batch() > 1 && !pool_->ready().batch_invariant;
  }

  std::string numerics() const override {
    const WorkerReady& ready = pool_->ready();
    return fmt::format("worker on {}{}{}", device_kind(ready.device),
                       ready.numerics.empty() ? "" : " in ", ready.numerics);
  }

  std::uint64_t host_bytes() const override {
    std::uint64_t bytes = 0;
    for (const pid_t process : pool_->processes()) bytes += process_memory(process).most;
    return bytes;
  }

  std::string advice() const override {
    const std::string& used = pool_->ready().device;
    if (device_.kind == DeviceKind::kCpu || used.starts_with("cuda")) return "";
    return fmt::format(
        "the worker of the voice '{}' is on {} although it was given {}: it works at "
        "the speed of the CPU",
        voice_.name, used, device_.text());
  }

 private:
  /// A worker has one card, which it calls cuda:0; which of the machine's it is, is in the report.
  static std::string device_kind(const std::string& device) {
    return device.substr(0, device.find(':'));
  }

  WorkerItem item_of(const VoiceInput& input) const {
    WorkerItem item;
    if (voice_.front_end == kTextFrontEnd) {
      item.text = text_of_tokens(input.tokens);  // what has been found speakable, and no more
    } else {
      append_valid_utf8(item.text, input.text);
      item.tokens = input.tokens;
    }
    item.speaker = voice_.speakers[static_cast<std::size_t>(input.speaker)];
    item.speed = input.speed;
    item.seed = input.seed;
    return item;
  }

  const VoiceConfig voice_;
  const DeviceId device_;
  const std::unique_ptr<WorkerPool> pool_;
};

Result<std::shared_ptr<VoiceEngine>> open_worker(const VoiceConfig& voice, DeviceId device,
                                                 const VoiceOptions& options) {
  Result<std::filesystem::path> sdk = worker_sdk_folder();
  if (!sdk.ok()) return sdk.error();
  Result<std::string> card = card_uuid(device);
  if (!card.ok()) return card.error();
  WorkerPlan plan;
  plan.voice = voice;
  plan.device = device.kind == DeviceKind::kCpu ? "cpu" : "cuda:0";
  const auto lanes = static_cast<std::uint64_t>(std::max(1, options.share.lanes));
  plan.memory_bytes = options.share.memory_bytes / lanes;
  plan.environment = worker_environment(own_environment(), device, *card, *sdk);
  plan.name = fmt::format("worker {}", device.text());
  plan.log = options.log;
  PoolPolicy policy;
  policy.workers = options.share.lanes;
  auto pool = WorkerPool::open(std::move(plan), policy, options.warn);
  if (!pool.ok()) return pool.error();
  return std::shared_ptr<VoiceEngine>(
      std::make_shared<WorkerEngine>(voice, device, std::move(pool).value()));
}

/// The voice format "onnx": FlowTTS's own worker, in the Python that the voice names.
Result<std::shared_ptr<VoiceEngine>> open_onnx(const VoiceConfig& voice, DeviceId device,
                                               const VoiceOptions& options) {
  const Result<std::filesystem::path> folder = worker_sdk_folder();
  if (!folder.ok()) return folder.error();
  VoiceConfig spoken = voice;
  spoken.worker.command.push_back((*folder / "onnx.py").string());
  return open_worker(spoken, device, options);
}

/// Devices that other processes work on: this one only knows which there are.
class WorkerRuntime final : public DeviceRuntime {
 public:
  Result<DeviceInfo> start(DeviceId device, MemoryLimit limit) override {
    if (device.kind == DeviceKind::kCpu) return host_->start(device, limit);
    for (const DeviceInfo& gpu : visible_gpus()) {
      if (gpu.id == device) return gpu;
    }
    return card_uuid(device).error();
  }
  std::unique_ptr<LaneBinding> bind(DeviceId) override { return std::make_unique<LaneBinding>(); }
  DeviceMemory memory(DeviceId) const override { return {}; }
  bool loads_side_by_side() const override { return true; }

  explicit WorkerRuntime(std::shared_ptr<DeviceRuntime> host) : host_(std::move(host)) {}

 private:
  const std::shared_ptr<DeviceRuntime> host_;
};

struct Registration {
  Registration() {
    register_device_runtime("worker", []() -> Result<std::shared_ptr<DeviceRuntime>> {
      auto host = make_device_runtime("host");
      if (!host.ok()) return host;
      return std::shared_ptr<DeviceRuntime>(std::make_shared<WorkerRuntime>(*host));
    });
    VoiceFormat format{"worker", "worker", open_worker};
    format.model = ModelFile::kOptional;
    format.workers = WorkerKeys::kCommand;
    register_voice_format(std::move(format));
    VoiceFormat onnx{"onnx", "worker", open_onnx};
    onnx.io = NamedIo::kRequired;
    onnx.workers = WorkerKeys::kOnnx;
    register_voice_format(std::move(onnx));
  }
};
const Registration kRegistration;

}  // namespace
}  // namespace flowtts
