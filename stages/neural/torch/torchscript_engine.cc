#include "stages/neural/torch/torchscript_engine.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/StringUtil.h>
#include <torch/script.h>
#include <torch/version.h>

#include "stages/neural/card.h"
#include "stages/neural/torch/batch_check.h"
#include "stages/neural/torch/compiled_render.h"
#include "stages/neural/torch/device_audio.h"
#include "stages/neural/torch/failure.h"
#include "stages/neural/torch/guarded.h"
#include "stages/neural/torch/model_output.h"
#include "stages/neural/torch/module_check.h"
#include "stages/neural/torch/render_memory.h"
#include "stages/neural/torch/render_shapes.h"
#include "stages/neural/torch/torch_runtime.h"
#include "stages/neural/torch/voice_batch.h"

namespace flowtts {
namespace {

using Places = std::vector<std::size_t>;  ///< Indices into a call's inputs.
using Render = std::function<Result<c10::IValue>(std::vector<at::Tensor>)>;

constexpr std::int64_t kTokenStep = 8;
constexpr std::int64_t kPlanTokenStep = 32;
constexpr std::int64_t kLongestSeconds = 600;
constexpr double kUsualTokens = 60;  ///< Of a sentence, amply.

Places all_places(std::size_t count) {
  Places places(count);
  std::iota(places.begin(), places.end(), std::size_t{0});
  return places;
}

template <class T>
std::vector<T> pick(std::span<const T> from, const Places& places) {
  std::vector<T> picked;
  picked.reserve(places.size());
  for (const std::size_t place : places) picked.push_back(from[place]);
  return picked;
}

/// What has become of each sentence of a call.
template <class T>
class Outcomes {
 public:
  explicit Outcomes(std::size_t count)
      : results_(count, Error{"model_failed", "the sentence was left out"}) {}

  void set(std::size_t place, Result<T> result) { results_[place] = std::move(result); }
  void fail(const Places& places, const Error& error) {
    for (const std::size_t place : places) results_[place] = error;
  }
  std::vector<Result<T>> take() { return std::move(results_); }

 private:
  std::vector<Result<T>> results_;
};

class TorchscriptEngine final : public VoiceEngine {
 public:
  TorchscriptEngine(const VoiceConfig& voice, at::Device device, torch::jit::Module module,
                    bool batched, const DeviceShare& share)
      : device_(device),
        module_(std::move(module)),
        first_(module_.get_method(voice.plan_method.empty() ? "forward" : voice.plan_method)),
        render_name_(voice.render_method),
        takes_seed_(has_seed(first_)),
        hop_(voice.hop),
        sample_rate_(voice.sample_rate),
        longest_samples_(kLongestSeconds * sample_rate_),
        batched_(batched),
        share_(share) {
    if (render_name_.empty()) return;
    const torch::jit::Method method = module_.get_method(render_name_);
    render_ = [method](std::vector<at::Tensor> inputs) -> Result<c10::IValue> {
      return method({inputs.begin(), inputs.end()});
    };
  }

  bool plans() const override { return batched_ && render_ != nullptr; }
  std::size_t max_batch() const override { return batched_ ? share_.max_items : 1; }
  BatchShapes shapes() const override { return shapes_; }
  BatchShapes render_shapes() const override { return render_shapes_; }
  std::size_t look_ahead() const override { return look_ahead_; }
  std::string numerics() const override {
    return (compiled_.renderer ? compiled_.numerics : "torchscript float32") +
           (bytes_.batch_dependent
                ? ", samples depend on the batch of up to " + std::to_string(share_.max_items)
                : "");
  }
  bool batch_dependent() const override { return bytes_.batch_dependent; }
  std::string advice() const override { return compiled_.advice; }

  /// Before the first call: renders with what has been compiled, if anything has.
  void render_with(CompiledRender compiled) {
    compiled_ = std::move(compiled);
    if (!compiled_.renderer) return;
    render_ = [renderer =
                   compiled_.renderer](std::vector<at::Tensor> inputs) -> Result<c10::IValue> {
      Result<at::Tensor> audio = renderer->run(std::move(inputs));
      if (!audio.ok()) return audio.error();
      return c10::IValue(*std::move(audio));
    };
    longest_samples_ = std::min(longest_samples_, kMostCompiledFrames * hop_);
  }

  /// Finds the shapes that batches have on a GPU, and the memory that renders may take together.
  void choose_shapes(const VoiceConfig& voice, DeviceId device) {
    shapes_ = token_shapes(share_);
    if (!plans()) return;
    const std::size_t rows = shapes_.rows(1);
    if (!limited()) shapes_ = plan_shapes(share_);
    const VoiceKey key{voice.hash, card_name(device).value_or(""), TORCH_VERSION,
                       compiled_.renderer ? compiled_.precision : "torchscript"};
    std::optional<RenderBytes> bytes;
    if (!voice.hash.empty()) bytes = known_render_bytes(key);
    if (!bytes) {
      bytes = measure_render([&](std::size_t r, std::size_t frames) { return rehearse(r, frames); },
                             device, rows);
      if (bytes) {
        bytes->plan_per_token = plan_bytes_per_token_;
        bytes->batch_dependent = depends_on_batch(*this, rows);
        if (!voice.hash.empty()) keep_render_bytes(key, *bytes);
      }
    }
    std::size_t cells = kMostCells;
    if (bytes) {
      look_ahead_ = plans_within_limit(*bytes);
      const std::uint64_t budget = render_budget(device, *bytes);
      while (cells > rows && bytes->of(1, cells) > budget) cells /= 2;
      bytes_ = *bytes;
      budget_ = std::make_unique<RenderBudget>(budget);
    }
    render_shapes_ = flowtts::render_shapes(share_, cells);
  }

  std::vector<Result<VoiceSound>> speak(std::span<const VoiceInput> batch,
                                        std::size_t rows) override {
    Outcomes<VoiceSound> sounds(batch.size());
    const auto fail = [&](const Places& places, const Error& error) { sounds.fail(places, error); };
    const auto work = [&](const Places& places) {
      const auto inputs = pick(batch, places);
      if (render_) {
        speak_in_two_parts(inputs, places, rows, sounds);
      } else {
        speak_in_one_part(inputs, places, rows, sounds);
      }
    };
    for (const Places& places : batches(spoken_places(batch, fail))) attempt(places, work, fail);
    return sounds.take();
  }

  bool draws() const override { return takes_seed_; }

  std::vector<Result<VoicePlanPtr>> plan(std::span<const VoiceInput> batch,
                                         std::size_t rows) override {
    Outcomes<VoicePlanPtr> plans(batch.size());
    const auto fail = [&](const Places& places, const Error& error) { plans.fail(places, error); };
    const auto work = [&](const Places& places) {
      make_plans(pick(batch, places), places, rows, plans);
    };
    const Places places = spoken_places(batch, fail);
    if (!places.empty()) attempt(places, work, fail);
    return plans.take();
  }

  std::vector<Result<VoiceSound>> render(std::span<const VoicePlan* const> batch,
                                         std::size_t rows) override {
    Outcomes<VoiceSound> sounds(batch.size());
    const auto fail = [&](const Places& places, const Error& error) { sounds.fail(places, error); };
    const auto work = [&](const Places& places) {
      render_plans(pick(batch, places), places, rows, sounds);
    };
    if (!batch.empty()) attempt(all_places(batch.size()), work, fail);
    return sounds.take();
  }

 private:
  using Fail = std::function<void(const Places&, const Error&)>;

  Places spoken_places(std::span<const VoiceInput> batch, const Fail& fail) const {
    Places places;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].tokens.empty()) {
        fail({i}, Error{"empty_input", "there are no tokens to speak"});
      } else {
        places.push_back(i);
      }
    }
    return places;
  }

  /// All together, or on a CPU one by one.
  std::vector<Places> batches(const Places& places) const {
    std::vector<Places> all;
    if (batched_ && !places.empty()) all.push_back(places);
    for (const std::size_t place : places) {
      if (!batched_) all.push_back({place});
    }
    return all;
  }

  /// Runs a batch. One that fails as a whole is run again in halves, so that a sentence that the
  /// model cannot speak fails alone; not where the device is to blame, which the executor sees to.
  void attempt(const Places& places, const std::function<void(const Places&)>& work,
               const Fail& fail) const {
    const std::optional<Error> failure = guarded(device_, [&] { work(places); });
    if (!failure) return;
    const bool of_the_device =
        failure->code == kOutOfMemoryCode || failure->code == kDeviceLostCode;
    if (of_the_device || places.size() == 1) {
      fail(places, *failure);
      return;
    }
    const auto middle = places.begin() + static_cast<std::ptrdiff_t>(places.size() / 2);
    attempt(Places(places.begin(), middle), work, fail);
    attempt(Places(middle, places.end()), work, fail);
  }

  void speak_in_one_part(const std::vector<VoiceInput>& inputs, const Places& places,
                         std::size_t rows, Outcomes<VoiceSound>& sounds) {
    const TokenBatch batch = token_batch(inputs, rows);
    const c10::IValue made = first_(arguments(batch));
    const auto parts = made.isTuple() ? made.toTupleRef().elements() : c10::ivalue::TupleElements();
    if (parts.size() != 2 || !is_tensor(parts[1], at::kLong, 1, batch.rows())) {
      sounds.fail(places,
                  bad_model_output(first_.name(), "(audio, int64 [B] audio_lengths)", made));
      return;
    }
    cut_rows(places, first_.name(), batch.rows(), parts[0], to_host(parts[1].toTensor()), sounds);
  }

  void speak_in_two_parts(const std::vector<VoiceInput>& inputs, const Places& places,
                          std::size_t rows, Outcomes<VoiceSound>& sounds) {
    Outcomes<VoicePlanPtr> planned(inputs.size());
    make_plans(inputs, all_places(inputs.size()), rows, planned);
    const auto results = planned.take();
    std::vector<const VoicePlan*> plans;
    Places rendered;
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i].ok()) {
        plans.push_back(results[i]->get());
        rendered.push_back(places[i]);
      } else {
        sounds.set(places[i], results[i].error());
      }
    }
    if (!plans.empty()) render_plans(plans, rendered, rows, sounds);
  }

  void make_plans(const std::vector<VoiceInput>& inputs, const Places& places, std::size_t rows,
                  Outcomes<VoicePlanPtr>& plans) {
    const TokenBatch batch = token_batch(inputs, rows);
    std::optional<RenderBudget::Part> part;
    if (budget_) part.emplace(*budget_, planning_bytes(batch));
    const c10::IValue made = first_(arguments(batch));
    const auto parts = made.isTuple() ? made.toTupleRef().elements() : c10::ivalue::TupleElements();
    const std::size_t count = batch.rows();
    if (parts.size() != 3 || !is_tensor(parts[0], at::kFloat, 3, count) ||
        !is_tensor(parts[1], at::kFloat, 2, count) || !is_tensor(parts[2], at::kLong, 1, count) ||
        parts[0].toTensor().size(2) != batch.tokens.size(1) ||
        parts[1].toTensor().size(1) != batch.tokens.size(1)) {
      plans.fail(places, bad_model_output(first_.name(),
                                          "(float32 [B, C, T] h, float32 [B, T] durations, int64 "
                                          "[B] frame_lengths)",
                                          made));
      return;
    }
    const at::Tensor tables = lay_out_plans(parts[0].toTensor(), parts[1].toTensor());
    const std::vector<std::int64_t> frames = to_host(parts[2].toTensor());
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (frames[i] < 1 || frames[i] > longest_samples_ / hop_) {
        plans.set(places[i], implausible(frames[i] * hop_));
        continue;
      }
      auto plan = std::make_shared<TorchPlan>();
      plan->frames = static_cast<std::size_t>(frames[i]);
      plan->table = tables[static_cast<std::int64_t>(i)].narrow(
          0, 0, static_cast<std::int64_t>(inputs[i].tokens.size()));
      plan->speaker = inputs[i].speaker;
      plans.set(places[i], VoicePlanPtr(std::move(plan)));
    }
  }

  bool limited() const { return share_.memory_bytes > 0; }

  /// What a limit leaves for tensors, bytes.
  double tensor_bytes() const {
    return std::max(1.0, static_cast<double>(share_.memory_bytes) - kOutsideAllocator);
  }

  /// How many plans may wait within a limit: they take an eighth of it. 0 without a limit.
  std::size_t plans_within_limit(const RenderBytes& bytes) const {
    if (!limited() || !(bytes.plan_per_token > 0)) return 0;
    const double plans = tensor_bytes() / 8 / (kUsualTokens * bytes.plan_per_token);
    return std::max<std::size_t>(static_cast<std::size_t>(plans), shapes_.rows(1));
  }

  /// Bytes that renders and planning may take together: of the run's limit, or of what is free,
  /// what weights and waiting plans leave. Of a limit the half: what has been rendered and is on
  /// its way home, and gaps between it, take the rest, and an allocator that has to give memory
  /// back to find some is slower than small batches are.
  std::uint64_t render_budget(DeviceId device, const RenderBytes& bytes) const {
    constexpr double kShareOfFree = 0.9;
    const auto memory = c10::getDeviceAllocator(device_.type())
                            ->getMemoryInfo(static_cast<c10::DeviceIndex>(device.index));
    const double most =
        limited() ? tensor_bytes() : kShareOfFree * static_cast<double>(memory.first);
    const std::size_t waiting = look_ahead_ > 0 ? look_ahead_ : share_.look_ahead;
    const double plans = kUsualTokens * bytes.plan_per_token * static_cast<double>(waiting);
    const double left = std::max({most - bytes.weights - plans, most / 4, 1.0});
    return static_cast<std::uint64_t>(limited() ? std::max(left / 2, 1.0) : left);
  }

  /// What planning takes at once, roughly: several times what it makes.
  std::uint64_t planning_bytes(const TokenBatch& batch) const {
    constexpr double kTimesResult = 10;
    return static_cast<std::uint64_t>(kTimesResult * bytes_.plan_per_token *
                                      static_cast<double>(batch.tokens.numel()));
  }

  /// Renders made-up sentences in a batch of this size.
  std::optional<Error> rehearse(std::size_t rows, std::size_t frames) {
    const std::vector<std::int64_t> tokens(8, 1);
    const std::vector<VoiceInput> inputs(rows, VoiceInput{tokens, 0, 1.0, 0});
    std::optional<Error> failure;
    const auto thrown = guarded(device_, [&] {
      Outcomes<VoicePlanPtr> planned(rows);
      make_plans(inputs, all_places(rows), rows, planned);
      std::vector<TorchPlan> longer;
      for (const auto& plan : planned.take()) {
        if (plan.is_error()) failure = plan.error();
        if (!plan.ok()) return;
        longer.push_back(static_cast<const TorchPlan&>(**plan));
        longer.back().frames = std::max(longer.back().frames, frames);
      }
      plan_bytes_per_token_ = static_cast<double>(longer.front().table.size(1)) * sizeof(float);
      std::vector<const VoicePlan*> plans;
      for (const TorchPlan& plan : longer) plans.push_back(&plan);
      Outcomes<VoiceSound> sounds(rows);
      render_plans(plans, all_places(rows), rows, sounds);
      for (const auto& sound : sounds.take()) {
        if (sound.is_error()) failure = sound.error();
      }
    });
    return thrown ? thrown : failure;
  }

  void render_plans(const std::vector<const VoicePlan*>& plans, const Places& places,
                    std::size_t rows, Outcomes<VoiceSound>& sounds) {
    const PlanBatch batch = make_plan_batch(plans, batched_ ? rows : plans.size(),
                                            batched_ ? kPlanTokenStep : 1, device_);
    std::vector<std::int64_t> samples;
    std::int64_t frames = 1;
    for (const VoicePlan* plan : plans) {
      frames = std::max(frames, static_cast<std::int64_t>(plan->frames));
      samples.push_back(static_cast<std::int64_t>(plan->frames) * hop_);
    }
    if (batched_) frames = round_up(frames, kFrameStep);
    // Held while the render is put on the lane's stream. Lanes of a device whose memory is limited
    // share one stream, in whose order the memory is there again for the next.
    std::optional<RenderBudget::Part> part;
    if (budget_) {
      part.emplace(*budget_, bytes_.of(static_cast<std::size_t>(batch.h.size(0)),
                                       static_cast<std::size_t>(frames)));
    }
    const at::Tensor only_its_length_counts =
        at::zeros({frames}, at::TensorOptions().dtype(at::kFloat).device(device_));
    const Result<c10::IValue> audio =
        render_({batch.h, batch.durations, batch.token_lengths, batch.speakers, batch.frame_lengths,
                 only_its_length_counts});
    if (!audio.ok()) {
      sounds.fail(places, audio.error());
      return;
    }
    cut_rows(places, render_name_, static_cast<std::size_t>(batch.h.size(0)), *audio, samples,
             sounds);
  }

  TokenBatch token_batch(const std::vector<VoiceInput>& inputs, std::size_t rows) const {
    return make_token_batch(inputs, batched_ ? rows : inputs.size(), batched_ ? kTokenStep : 1,
                            device_);
  }

  std::vector<c10::IValue> arguments(const TokenBatch& batch) const {
    std::vector<c10::IValue> values{batch.tokens, batch.token_lengths, batch.speakers,
                                    batch.speeds};
    if (takes_seed_) values.emplace_back(batch.seeds);
    return values;
  }

  /// Cuts each row at its length; on a GPU the rows stay there.
  void cut_rows(const Places& places, std::string_view method, std::size_t rows,
                const c10::IValue& made, const std::vector<std::int64_t>& samples,
                Outcomes<VoiceSound>& sounds) const {
    if (!is_tensor(made, at::kFloat, 2, rows)) {
      sounds.fail(places, bad_model_output(method, "audio float32 [B, N]", made));
      return;
    }
    const at::Tensor audio = made.toTensor().contiguous();
    const std::int64_t room = audio.size(1);
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (samples[i] < 1 || samples[i] > room) {
        sounds.set(places[i], Error{"length_outside_tensor",
                                    c10::str("the model says that the sentence has ", samples[i],
                                             " samples; its audio tensor has ", room)});
        continue;
      }
      const at::Tensor row = audio[static_cast<std::int64_t>(i)].narrow(0, 0, samples[i]);
      VoiceSound sound;
      if (device_.is_cuda()) {
        sound.on_device = std::make_shared<TorchSamples>(row);
      } else {
        const float* first = row.const_data_ptr<float>();
        sound.samples.assign(first, first + samples[i]);
      }
      sounds.set(places[i], std::move(sound));
    }
  }

  Error implausible(std::int64_t samples) const {
    if (samples < 1) {
      return {"length_outside_tensor",
              c10::str("the model says that the sentence has ", samples, " samples")};
    }
    return {"audio_too_long",
            c10::str("the model says that the sentence has ", samples, " samples; the most is ",
                     longest_samples_, ", ", longest_samples_ / sample_rate_, " s")};
  }

  static bool has_seed(const torch::jit::Method& method) {
    const auto& list = method.function().getSchema().arguments();
    return !list.empty() && list.back().name() == "seed";
  }

  const at::Device device_;
  const torch::jit::Module module_;
  const torch::jit::Method first_;  ///< `plan`, or `forward` of a module in one part.
  const std::string render_name_;
  Render render_;  ///< Null for a module in one part.
  const bool takes_seed_;
  const std::int64_t hop_;
  const std::int64_t sample_rate_;
  std::int64_t longest_samples_;
  const bool batched_;
  const DeviceShare share_;
  CompiledRender compiled_;
  RenderBytes bytes_;
  std::unique_ptr<RenderBudget> budget_;  ///< Null where nothing could be measured.
  double plan_bytes_per_token_ = 0;
  BatchShapes shapes_;
  BatchShapes render_shapes_;
  std::size_t look_ahead_ = 0;
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
    auto engine = std::make_shared<TorchscriptEngine>(voice, where, std::move(module),
                                                      options.batched.value_or(where.is_cuda()),
                                                      options.voice.share);
    auto compiled = open_compiled_render(voice, device, options.voice);
    if (!compiled.ok()) return compiled.error();
    engine->render_with(*std::move(compiled));
    if (where.is_cuda()) engine->choose_shapes(voice, device);
    return std::shared_ptr<VoiceEngine>(std::move(engine));
  } catch (const c10::Error& error) {
    return cannot_load(voice, brief_failure(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return cannot_load(voice, brief_failure(error.what()));
  }
}

}  // namespace flowtts
