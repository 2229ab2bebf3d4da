#include "stages/neural/torch/torchscript_engine.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/StringUtil.h>
#include <torch/script.h>

#include "stages/neural/torch/failure.h"
#include "stages/neural/torch/lane_buffer.h"
#include "stages/neural/torch/module_check.h"
#include "stages/neural/torch/torch_runtime.h"

namespace flowtts {
namespace {

using Row = Result<std::vector<float>>;
using Places = std::vector<std::size_t>;  ///< Indices into a call's inputs.

constexpr std::int64_t kTokenStep = 8;
constexpr std::int64_t kFrameStep = 32;
constexpr std::int64_t kLongestSeconds = 600;
/// On a GPU libraries choose other kernels for some numbers of rows, which round otherwise: a batch
/// is filled up to a multiple with copies of its last sentence, whose audio nobody takes.
constexpr std::size_t kRowStep = 8;
/// The most rows × frames of one call on a GPU: 64 sentences of 5 s. At twice as many cuDNN took a
/// kernel with a workspace of 22 GB on an H200, which was no faster and rounded otherwise.
constexpr std::int64_t kMostFrames = 32'768;

std::int64_t round_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

struct Failure {
  FailureKind kind = FailureKind::kOther;
  std::string message;
};

Error error_of(const Failure& failure) {
  switch (failure.kind) {
    case FailureKind::kOutOfMemory:
      return {"out_of_memory", failure.message, true, false};
    case FailureKind::kDeviceLost:
      return {"device_lost", failure.message, false, true};
    case FailureKind::kOther:
      break;
  }
  return {"model_failed", failure.message, false, false};
}

/// One call of `synthesize`: what goes in, and what has become of each.
struct Call {
  std::span<const VoiceInput> inputs;
  std::vector<Row> rows;

  void fail(const Places& places, const Error& error) {
    for (const std::size_t place : places) rows[place] = error;
  }
};

/// A batch as the module takes it.
struct Batch {
  at::Tensor tokens, token_lengths, speakers, speeds, seeds;

  std::size_t rows() const { return static_cast<std::size_t>(tokens.size(0)); }
};

std::string describe(const c10::IValue& value) {
  if (value.isTensor() && value.toTensor().defined()) {
    const at::Tensor tensor = value.toTensor();
    return c10::str(c10::toString(tensor.scalar_type()), " ", tensor.sizes());
  }
  return value.tagKind();
}

bool is_tensor(const c10::IValue& value, at::ScalarType type, std::int64_t dimensions,
               std::size_t rows) {
  if (!value.isTensor() || !value.toTensor().defined()) return false;
  const at::Tensor tensor = value.toTensor();
  return tensor.scalar_type() == type && tensor.dim() == dimensions &&
         tensor.size(0) == static_cast<std::int64_t>(rows);
}

std::vector<std::int64_t> to_host(const at::Tensor& lengths) {
  const at::Tensor host = lengths.to(at::kCPU).contiguous();
  return {host.const_data_ptr<std::int64_t>(), host.const_data_ptr<std::int64_t>() + host.numel()};
}

class TorchscriptEngine final : public VoiceEngine {
 public:
  TorchscriptEngine(const VoiceConfig& voice, at::Device device, torch::jit::Module module,
                    bool batched, std::size_t max_batch)
      : device_(device),
        module_(std::move(module)),
        first_(module_.get_method(voice.plan_method.empty() ? "forward" : voice.plan_method)),
        takes_seed_(has_seed(first_)),
        hop_(voice.hop),
        longest_samples_(kLongestSeconds * voice.sample_rate),
        batched_(batched),
        row_step_(device.is_cuda() ? kRowStep : 1),
        most_frames_(device.is_cuda() ? kMostFrames : std::numeric_limits<std::int64_t>::max()),
        max_batch_(batched ? max_batch : 1) {
    if (!voice.render_method.empty()) render_ = module_.get_method(voice.render_method);
  }

  std::size_t max_batch() const override { return max_batch_; }

  std::vector<Row> synthesize(std::span<const VoiceInput> batch) override {
    Call call{batch,
              std::vector<Row>(batch.size(), Error{"model_failed", "the sentence was left out"})};
    Places places;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].tokens.empty()) {
        call.rows[i] = Error{"empty_input", "there are no tokens to speak"};
      } else if (batched_) {
        places.push_back(i);
      } else {
        run(call, {i});
      }
    }
    for (std::size_t begin = 0; begin < places.size(); begin += max_batch_) {
      const auto from = places.begin() + static_cast<std::ptrdiff_t>(begin);
      const std::size_t count = std::min(max_batch_, places.size() - begin);
      run(call, Places(from, from + static_cast<std::ptrdiff_t>(count)));
    }
    return std::move(call.rows);
  }

 private:
  /// Runs a batch. One that fails as a whole is run again in halves, so that a sentence that the
  /// model cannot speak fails alone, and one that does not fit into the memory with so many does
  /// fit with fewer.
  void run(Call& call, const Places& places) {
    std::optional<Failure> failure = attempt(call, places);
    if (failure && failure->kind == FailureKind::kOutOfMemory) {
      // Outside the catch block, where nothing of the failed batch is alive any more. Another lane
      // may have been holding the memory, so the batch is tried once more as it is.
      release_memory();
      failure = attempt(call, places);
    }
    if (!failure) return;
    if (failure->kind == FailureKind::kDeviceLost || places.size() == 1) {
      call.fail(places, error_of(*failure));
      return;
    }
    const auto middle = places.begin() + static_cast<std::ptrdiff_t>(places.size() / 2);
    run(call, Places(places.begin(), middle));
    run(call, Places(middle, places.end()));
  }

  /// Nothing where every sentence has got its row.
  std::optional<Failure> attempt(Call& call, const Places& places) {
    const std::int64_t failed_allocations = count_failed_allocations();
    Failure failure;
    try {
      speak(call, places);
      return std::nullopt;
    } catch (const c10::OutOfMemoryError& error) {
      failure = {FailureKind::kOutOfMemory, brief_failure(error.what_without_backtrace())};
    } catch (const c10::Error& error) {
      failure = {classify_failure(error.what_without_backtrace()),
                 brief_failure(error.what_without_backtrace())};
    } catch (const std::exception& error) {
      failure = {classify_failure(error.what()), brief_failure(error.what())};
    }
    if (device_.is_cuda()) look_closer(failure, failed_allocations);
    return failure;
  }

  /// What an exception's text does not tell: whether the GPU's allocator gave up meanwhile, and
  /// whether the GPU still answers. After an error that loses the device every call fails.
  void look_closer(Failure& failure, std::int64_t failed_allocations_before) const {
    try {
      const c10::impl::VirtualGuardImpl guard(device_.type());
      guard.synchronizeStream(guard.getStream(device_));
      if (failure.kind == FailureKind::kOther &&
          count_failed_allocations() > failed_allocations_before) {
        failure.kind = FailureKind::kOutOfMemory;
      }
    } catch (const std::exception&) {
      failure.kind = FailureKind::kDeviceLost;
    }
  }

  std::int64_t count_failed_allocations() const {
    if (!device_.is_cuda()) return 0;
    return c10::getDeviceAllocator(device_.type())->getDeviceStats(device_.index()).num_ooms;
  }

  void release_memory() const {
    if (!device_.is_cuda()) return;
    try {
      c10::getDeviceAllocator(device_.type())->emptyCache();
    } catch (const std::exception&) {
      // Whatever is wrong, the next attempt meets it too and reports it.
    }
  }

  void speak(Call& call, const Places& places) {
    const Batch batch = make_batch(call.inputs, places);
    if (render_) {
      speak_in_two_parts(call, places, batch);
    } else {
      speak_in_one_part(call, places, batch);
    }
  }

  void speak_in_one_part(Call& call, const Places& places, const Batch& batch) {
    const c10::IValue made = first_(arguments(batch));
    const auto parts = made.isTuple() ? made.toTupleRef().elements() : c10::ivalue::TupleElements();
    if (parts.size() != 2 || !is_tensor(parts[1], at::kLong, 1, batch.rows())) {
      call.fail(places, bad_output(first_, "(audio, int64 [B] audio_lengths)", made));
      return;
    }
    cut_rows(call, places, first_, batch.rows(), parts[0], to_host(parts[1].toTensor()));
  }

  void speak_in_two_parts(Call& call, const Places& places, const Batch& batch) {
    const c10::IValue plan = first_(arguments(batch));
    const auto parts = plan.isTuple() ? plan.toTupleRef().elements() : c10::ivalue::TupleElements();
    if (parts.size() != 3 || !is_tensor(parts[2], at::kLong, 1, batch.rows())) {
      call.fail(places, bad_output(first_, "(h, durations, int64 [B] frame_lengths)", plan));
      return;
    }
    std::vector<std::int64_t> samples = to_host(parts[2].toTensor());
    Places spoken;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (samples[i] < 1 || samples[i] > longest_samples_ / hop_) {
        call.rows[places[i]] = implausible(samples[i] * hop_);
      } else {
        spoken.push_back(places[i]);
      }
      samples[i] *= hop_;
    }
    if (spoken.size() < places.size()) {
      // The others must not be padded to a length that makes no sense.
      if (!spoken.empty()) speak(call, spoken);
      return;
    }
    const auto last = samples.begin() + static_cast<std::ptrdiff_t>(places.size());
    std::int64_t frames = *std::max_element(samples.begin(), last) / hop_;
    if (batched_) frames = round_up(frames, kFrameStep);
    if (static_cast<std::int64_t>(batch.rows()) * frames > most_frames_ &&
        places.size() > row_step_) {
      const auto middle = places.begin() + static_cast<std::ptrdiff_t>(places.size() / 2);
      speak(call, Places(places.begin(), middle));
      speak(call, Places(middle, places.end()));
      return;
    }
    const at::Tensor only_its_length_counts =
        at::zeros({frames}, at::TensorOptions().dtype(at::kFloat).device(device_));
    const c10::IValue audio = (*render_)({parts[0], parts[1], batch.token_lengths, batch.speakers,
                                          parts[2], only_its_length_counts});
    cut_rows(call, places, *render_, batch.rows(), audio, samples);
  }

  Batch make_batch(std::span<const VoiceInput> inputs, const Places& places) const {
    const std::size_t count = (places.size() + row_step_ - 1) / row_step_ * row_step_;
    const auto rows = static_cast<std::int64_t>(count);
    std::int64_t longest = 1;
    for (const std::size_t place : places) {
      longest = std::max(longest, static_cast<std::int64_t>(inputs[place].tokens.size()));
    }
    if (batched_) longest = round_up(longest, kTokenStep);
    Batch batch;
    batch.tokens = at::zeros({rows, longest}, at::kLong);
    batch.token_lengths = at::empty({rows}, at::kLong);
    batch.speakers = at::empty({rows}, at::kLong);
    batch.speeds = at::empty({rows}, at::kFloat);
    batch.seeds = at::empty({rows}, at::kLong);
    for (std::size_t i = 0; i < count; ++i) {
      const VoiceInput& input = inputs[places[std::min(i, places.size() - 1)]];
      const std::size_t begin = i * static_cast<std::size_t>(longest);
      std::copy(input.tokens.begin(), input.tokens.end(),
                batch.tokens.mutable_data_ptr<std::int64_t>() + begin);
      batch.token_lengths.mutable_data_ptr<std::int64_t>()[i] =
          static_cast<std::int64_t>(input.tokens.size());
      batch.speakers.mutable_data_ptr<std::int64_t>()[i] = input.speaker;
      batch.speeds.mutable_data_ptr<float>()[i] = static_cast<float>(input.speed);
      // TorchScript has no unsigned integers: the upper bit is left out.
      batch.seeds.mutable_data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(input.seed >> 1);
    }
    for (at::Tensor* tensor :
         {&batch.tokens, &batch.token_lengths, &batch.speakers, &batch.speeds, &batch.seeds}) {
      *tensor = tensor->to(device_);
    }
    return batch;
  }

  std::vector<c10::IValue> arguments(const Batch& batch) const {
    std::vector<c10::IValue> values{batch.tokens, batch.token_lengths, batch.speakers,
                                    batch.speeds};
    if (takes_seed_) values.emplace_back(batch.seeds);
    return values;
  }

  /// Brings the batch's audio to the host in one copy and cuts each row at its length.
  void cut_rows(Call& call, const Places& places, const torch::jit::Method& method,
                std::size_t rows, const c10::IValue& audio,
                const std::vector<std::int64_t>& samples) const {
    if (!is_tensor(audio, at::kFloat, 2, rows)) {
      call.fail(places, bad_output(method, "audio float32 [B, N]", audio));
      return;
    }
    const at::Tensor host = to_host_audio(audio.toTensor());
    const std::int64_t room = host.size(1);
    const float* row = host.const_data_ptr<float>();
    for (std::size_t i = 0; i < places.size(); ++i, row += room) {
      if (samples[i] < 1 || samples[i] > room) {
        call.rows[places[i]] = Error{"length_outside_tensor",
                                     c10::str("the model says that the sentence has ", samples[i],
                                              " samples; its audio tensor has ", room)};
      } else {
        call.rows[places[i]] = std::vector<float>(row, row + samples[i]);
      }
    }
  }

  at::Tensor to_host_audio(const at::Tensor& audio) const {
    if (!device_.is_cuda()) return audio.contiguous();
    at::Tensor host = lane_buffer(audio.numel()).view(audio.sizes());
    host.copy_(audio, /*non_blocking=*/true);
    const c10::impl::VirtualGuardImpl guard(device_.type());
    guard.synchronizeStream(guard.getStream(device_));
    return host;
  }

  Error implausible(std::int64_t samples) const {
    if (samples < 1) {
      return {"length_outside_tensor",
              c10::str("the model says that the sentence has ", samples, " samples")};
    }
    return {"audio_too_long",
            c10::str("the model says that the sentence has ", samples, " samples; the most is ",
                     longest_samples_, ", ", kLongestSeconds, " s")};
  }

  static Error bad_output(const torch::jit::Method& method, std::string_view wanted,
                          const c10::IValue& found) {
    std::string list = describe(found);
    if (found.isTuple()) {
      list.clear();
      for (const c10::IValue& part : found.toTupleRef().elements()) {
        list += (list.empty() ? "(" : ", ") + describe(part);
      }
      list += ")";
    }
    return {"bad_model_output", c10::str("the model's method '", method.name(), "' returned ", list,
                                         "; expected is ", wanted)};
  }

  static bool has_seed(const torch::jit::Method& method) {
    const auto& list = method.function().getSchema().arguments();
    return !list.empty() && list.back().name() == "seed";
  }

  const at::Device device_;
  const torch::jit::Module module_;
  const torch::jit::Method first_;  ///< `plan`, or `forward` of a module in one part.
  std::optional<torch::jit::Method> render_;
  const bool takes_seed_;
  const std::int64_t hop_;
  const std::int64_t longest_samples_;
  const bool batched_;
  const std::size_t row_step_;
  const std::int64_t most_frames_;
  const std::size_t max_batch_;
};

Error cannot_load(const VoiceConfig& voice, std::string_view reason) {
  return {"voice_not_loaded",
          c10::str("voice '", voice.name, "': ", voice.model.string(), ": ", reason), false, true};
}

at::Device torch_device(DeviceId device) {
  if (device.kind == DeviceKind::kCpu) return at::Device(at::kCPU);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(device.index)};
}

}  // namespace

Result<std::shared_ptr<VoiceEngine>> open_torchscript(const VoiceConfig& voice, DeviceId device,
                                                      TorchscriptOptions options) {
  prepare_torch();
  const at::Device where = torch_device(device);
  try {
    torch::jit::Module module = torch::jit::load(voice.model.string(), where);
    module.eval();
    make_float32(module);
    if (const auto problem = check_module(module, voice, where))
      return cannot_load(voice, *problem);
    if (where.is_cuda()) {  // The lanes' streams know nothing of the one that loaded.
      c10::impl::VirtualGuardImpl(where.type()).synchronizeDevice(where.index());
    }
    return std::shared_ptr<VoiceEngine>(std::make_shared<TorchscriptEngine>(
        voice, where, std::move(module), options.batched.value_or(where.is_cuda()),
        std::max<std::size_t>(1, options.max_batch)));
  } catch (const c10::Error& error) {
    return cannot_load(voice, brief_failure(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return cannot_load(voice, brief_failure(error.what()));
  }
}

}  // namespace flowtts
