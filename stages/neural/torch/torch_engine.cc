#include "stages/neural/torch/torch_engine.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <numeric>
#include <utility>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/StringUtil.h>
#include <torch/script.h>
#include <torch/version.h>

#include "stages/neural/card.h"
#include "stages/neural/torch/aoti_functions.h"
#include "stages/neural/torch/aoti_model.h"
#include "stages/neural/torch/batch_check.h"
#include "stages/neural/torch/captured_stderr.h"
#include "stages/neural/torch/compiled_render.h"
#include "stages/neural/torch/device_audio.h"
#include "stages/neural/torch/failure.h"
#include "stages/neural/torch/guarded.h"
#include "stages/neural/torch/model_functions.h"
#include "stages/neural/torch/model_output.h"
#include "stages/neural/torch/plan_store.h"
#include "stages/neural/torch/render_memory.h"
#include "stages/neural/torch/render_shapes.h"
#include "stages/neural/torch/torch_runtime.h"
#include "stages/neural/torch/torchscript_functions.h"
#include "stages/neural/torch/voice_batch.h"

namespace flowtts {
namespace {

using Places = std::vector<std::size_t>;  ///< Indices into a call's inputs.

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

/// Speaks with a model's functions, wherever they come from.
class TorchEngine final : public VoiceEngine {
 public:
  TorchEngine(const VoiceConfig& voice, at::Device device, ModelFunctions functions, bool batched,
              const DeviceShare& share)
      : device_(device),
        functions_(std::move(functions)),
        render_(functions_.render),
        hop_(voice.hop),
        samples_each_length_(voice.io.lengths_in_frames ? voice.hop : 1),
        sample_rate_(voice.sample_rate),
        longest_samples_(kLongestSeconds * sample_rate_),
        batched_(batched && !functions_.arguments.one_at_a_time() &&
                 (render_ || functions_.outputs.has_lengths())),
        share_(share),
        least_rows_(static_cast<std::size_t>(functions_.least_size)) {}

  /// Before the first call: how many rows a batch of sentences that are spoken alone has.
  void set_least_rows(std::size_t rows) { least_rows_ = rows; }

  bool plans() const override { return batched_ && render_; }
  std::size_t max_batch() const override { return batched_ ? share_.max_items : 1; }
  BatchShapes shapes() const override { return shapes_; }
  BatchShapes render_shapes() const override { return render_shapes_; }
  std::size_t look_ahead() const override { return look_ahead_; }
  std::vector<std::size_t> rehearsal() const override {
    if (!batched_) return {};
    return {16, 40};  // usual ones: nothing that any voice was not made for
  }
  std::string numerics() const override {
    return (compiled_.model ? compiled_.numerics : functions_.numerics) +
           (bytes_.batch_dependent
                ? ", samples depend on the batch of up to " + std::to_string(share_.max_items)
                : "");
  }
  bool batch_dependent() const override { return bytes_.batch_dependent; }
  std::string advice() const override { return compiled_.advice; }

  /// Before the first call: renders with what has been compiled, if anything has.
  void render_with(CompiledRender compiled) {
    compiled_ = std::move(compiled);
    if (!compiled_.model) return;
    render_.what = "the compiled render part";
    render_.call =
        [model = compiled_.model](const std::vector<c10::IValue>& values) -> Result<c10::IValue> {
      Result<std::vector<at::Tensor>> made = model->run(tensors_of(values));
      if (!made.ok()) return made.error();
      if (made->size() == 1) return c10::IValue(made->front());
      return Error{"bad_model_output", c10::str("the compiled voice made ", made->size(),
                                                " tensors; expected is one, the audio")};
    };
    longest_samples_ = std::min(longest_samples_, kMostCompiledFrames * hop_);
  }

  /// Finds the shapes that batches have on a GPU, and the memory that renders may take together.
  void choose_shapes(const VoiceConfig& voice, DeviceId device) {
    if (!batched_) return;
    shapes_ = token_shapes(share_);
    if (!plans()) return;
    const std::size_t rows = shapes_.rows(1);
    if (!limited()) shapes_ = plan_shapes(share_);
    const VoiceKey key{render_hash(voice), card_name(device).value_or(""), TORCH_VERSION,
                       compiled_.model ? compiled_.precision : functions_.format};
    std::optional<RenderBytes> bytes;
    if (!key.render_hash.empty()) bytes = known_render_bytes(key);
    if (!bytes) {
      bytes = measure_render([&](std::size_t r, std::size_t frames) { return rehearse(r, frames); },
                             device, rows);
      if (bytes) {
        bytes->plan_per_token = plan_bytes_per_token_;
        bytes->batch_dependent = depends_on_batch(*this, rows);
        if (!key.render_hash.empty()) keep_render_bytes(key, *bytes);
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
    store_tokens_ = usual_store_tokens();
    store_ = nullptr;  // the rehearsals' was small
  }

  std::vector<Result<VoiceSound>> speak(std::span<const VoiceInput> batch,
                                        std::size_t rows) override {
    Outcomes<VoiceSound> sounds(batch.size());
    const auto fail = [&](const Places& places, const Error& error) { sounds.fail(places, error); };
    const auto work = [&](const Places& places) {
      const auto inputs = pick(batch, places);
      return render_ ? speak_in_two_parts(inputs, places, rows, sounds)
                     : speak_in_one_part(inputs, places, rows, sounds);
    };
    for (const Places& places : batches(spoken_places(batch, fail))) attempt(places, work, fail);
    return sounds.take();
  }

  bool draws() const override { return functions_.arguments.draws(); }

  std::vector<Result<VoicePlanPtr>> plan(std::span<const VoiceInput> batch,
                                         std::size_t rows) override {
    Outcomes<VoicePlanPtr> plans(batch.size());
    const auto fail = [&](const Places& places, const Error& error) { plans.fail(places, error); };
    const auto work = [&](const Places& places) {
      return make_plans(pick(batch, places), places, rows, plans);
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
      return render_plans(pick(batch, places), places, rows, sounds);
    };
    if (!batch.empty()) attempt(all_places(batch.size()), work, fail);
    return sounds.take();
  }

 private:
  using Fail = std::function<void(const Places&, const Error&)>;
  /// Of some sentences; an Error is about all of them, and so is what it throws.
  using Work = std::function<std::optional<Error>(const Places&)>;

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
  void attempt(const Places& places, const Work& work, const Fail& fail) const {
    std::optional<Error> failure;
    const auto thrown = guarded(device_, [&] { failure = work(places); });
    if (thrown) failure = thrown;
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

  std::optional<Error> speak_in_one_part(const std::vector<VoiceInput>& inputs,
                                         const Places& places, std::size_t rows,
                                         Outcomes<VoiceSound>& sounds) {
    const TokenBatch batch = token_batch(inputs, rows);
    const Result<c10::IValue> made = call_first(batch, inputs);
    if (!made.ok()) return made.error();
    const auto chosen = functions_.outputs.choose(*made);
    const bool has_lengths = functions_.outputs.has_lengths();
    if (!chosen || (has_lengths && !is_tensor(chosen->lengths, at::kLong, 1, batch.rows()))) {
      sounds.fail(places,
                  bad_model_output(functions_.first.what, functions_.outputs.wanted(), *made));
      return std::nullopt;
    }
    std::vector<std::int64_t> samples;
    if (has_lengths) samples = to_host(chosen->lengths.toTensor());
    for (std::int64_t& count : samples) count *= samples_each_length_;
    cut_rows(places, functions_.first.what, batch.rows(), chosen->audio, samples, sounds);
    return std::nullopt;
  }

  std::optional<Error> speak_in_two_parts(const std::vector<VoiceInput>& inputs,
                                          const Places& places, std::size_t rows,
                                          Outcomes<VoiceSound>& sounds) {
    Outcomes<VoicePlanPtr> planned(inputs.size());
    if (auto failure = make_plans(inputs, all_places(inputs.size()), rows, planned)) return failure;
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
    return plans.empty() ? std::nullopt : render_plans(plans, rendered, rows, sounds);
  }

  Result<c10::IValue> call_first(const TokenBatch& batch, const std::vector<VoiceInput>& inputs) {
    return functions_.first.call(functions_.arguments.make(batch, inputs, device_));
  }

  std::optional<Error> make_plans(const std::vector<VoiceInput>& inputs, const Places& places,
                                  std::size_t rows, Outcomes<VoicePlanPtr>& plans) {
    const TokenBatch batch = token_batch(inputs, rows);
    std::optional<RenderBudget::Part> part;
    if (budget_) part.emplace(*budget_, planning_bytes(batch));
    const Result<c10::IValue> called = call_first(batch, inputs);
    if (!called.ok()) return called.error();
    const c10::IValue& made = *called;
    const auto parts = made.isTuple() ? made.toTupleRef().elements() : c10::ivalue::TupleElements();
    const std::size_t count = batch.rows();
    if (parts.size() != 3 || !is_tensor(parts[0], at::kFloat, 3, count) ||
        !is_tensor(parts[1], at::kFloat, 2, count) || !is_tensor(parts[2], at::kLong, 1, count) ||
        parts[0].toTensor().size(2) != batch.tokens.size(1) ||
        parts[1].toTensor().size(1) != batch.tokens.size(1)) {
      plans.fail(places, bad_model_output(functions_.first.what,
                                          "(float32 [B, C, T] h, float32 [B, T] durations, int64 "
                                          "[B] frame_lengths)",
                                          made));
      return std::nullopt;
    }
    const std::shared_ptr<PlanStore> store = store_of(parts[0].toTensor().size(1) + 1);
    if (!store) {
      plans.fail(places, bad_model_output(functions_.first.what,
                                          "h with as many channels as before", made));
      return std::nullopt;
    }
    const at::Tensor tables = lay_out_plans(parts[0].toTensor(), parts[1].toTensor());
    std::vector<std::int64_t> tokens;
    for (const VoiceInput& input : inputs) {
      tokens.push_back(static_cast<std::int64_t>(input.tokens.size()));
    }
    const PlanStore::Kept kept = store->keep(tables, tokens);
    const std::vector<std::int64_t> frames = to_host(parts[2].toTensor());  // waits for all of it
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (frames[i] < 1 || frames[i] > longest_samples_ / hop_) {
        plans.set(places[i], implausible(frames[i] * hop_));
        continue;
      }
      auto plan = std::make_shared<TorchPlan>();
      plan->frames = static_cast<std::size_t>(frames[i]);
      plan->pages = kept.sentences[i];
      plan->speaker = inputs[i].speaker;
      plans.set(places[i], VoicePlanPtr(std::move(plan)));
    }
    return std::nullopt;
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

  /// How many plans wait at the most.
  std::size_t most_waiting() const { return look_ahead_ > 0 ? look_ahead_ : share_.look_ahead; }

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
    const double plans = kUsualTokens * bytes.plan_per_token * static_cast<double>(most_waiting());
    const double left = std::max({most - bytes.weights - plans, most / 4, 1.0});
    return static_cast<std::uint64_t>(limited() ? std::max(left / 2, 1.0) : left);
  }

  /// Where plans wait; made with the first one. Null for plans of another width than that.
  std::shared_ptr<PlanStore> store_of(std::int64_t width) {
    const std::lock_guard lock(store_mutex_);
    if (!store_) store_ = PlanStore::make(device_, width, store_tokens_);
    return store_->width() == width ? store_ : nullptr;
  }

  /// How many tokens wait on a GPU at the most, amply: those of the sentences that may wait, and of
  /// those that lanes plan and render.
  std::int64_t usual_store_tokens() const {
    const std::size_t on_lanes =
        static_cast<std::size_t>(share_.lanes) * (shapes_.rows(1) + share_.max_items);
    return static_cast<std::int64_t>(kUsualTokens * static_cast<double>(most_waiting() + on_lanes));
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
      failure = make_plans(inputs, all_places(rows), rows, planned);
      if (failure) return;
      std::vector<TorchPlan> longer;
      for (const auto& plan : planned.take()) {
        if (plan.is_error()) failure = plan.error();
        if (!plan.ok()) return;
        longer.push_back(static_cast<const TorchPlan&>(**plan));
        longer.back().frames = std::max(longer.back().frames, frames);
      }
      plan_bytes_per_token_ =
          static_cast<double>(longer.front().pages->store().width()) * sizeof(float);
      std::vector<const VoicePlan*> plans;
      for (const TorchPlan& plan : longer) plans.push_back(&plan);
      Outcomes<VoiceSound> sounds(rows);
      failure = render_plans(plans, all_places(rows), rows, sounds);
      if (failure) return;
      for (const auto& sound : sounds.take()) {
        if (sound.is_error()) failure = sound.error();
      }
    });
    return thrown ? thrown : failure;
  }

  std::optional<Error> render_plans(const std::vector<const VoicePlan*>& plans,
                                    const Places& places, std::size_t rows,
                                    Outcomes<VoiceSound>& sounds) {
    const PlanBatch batch =
        make_plan_batch(plans, rows_of(rows, plans.size()), batched_ ? kPlanTokenStep : 1, device_,
                        functions_.least_size);
    std::vector<std::int64_t> samples;
    std::int64_t frames = functions_.least_size;
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
        render_.call({batch.h, batch.durations, batch.token_lengths, batch.speakers,
                      batch.frame_lengths, only_its_length_counts});
    if (!audio.ok()) return audio.error();
    cut_rows(places, render_.what, static_cast<std::size_t>(batch.h.size(0)), *audio, samples,
             sounds);
    return std::nullopt;
  }

  TokenBatch token_batch(const std::vector<VoiceInput>& inputs, std::size_t rows) const {
    return make_token_batch(inputs, rows_of(rows, inputs.size()), batched_ ? kTokenStep : 1,
                            device_, functions_.least_size);
  }

  /// Of a batch with so many sentences.
  std::size_t rows_of(std::size_t rows, std::size_t sentences) const {
    return std::max(batched_ ? rows : sentences, least_rows_);
  }

  /// Cuts each row at its length; on a GPU the rows stay there.
  /// \param samples of each row; empty: a row is sound to its end.
  void cut_rows(const Places& places, std::string_view what, std::size_t rows,
                const c10::IValue& made, std::vector<std::int64_t> samples,
                Outcomes<VoiceSound>& sounds) const {
    const bool one_channel = is_tensor(made, at::kFloat, 3, rows) && made.toTensor().size(1) == 1;
    if (!one_channel && !is_tensor(made, at::kFloat, 2, rows)) {
      sounds.fail(places, bad_model_output(what, "audio float32 [B, N] or [B, 1, N]", made));
      return;
    }
    const at::Tensor audio =
        (one_channel ? made.toTensor().squeeze(1) : made.toTensor()).contiguous();
    const std::int64_t room = audio.size(1);
    if (samples.empty()) samples.assign(rows, room);
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

  const at::Device device_;
  const ModelFunctions functions_;
  ModelFunction render_;  ///< The model's own, or what has been compiled of it.
  const std::int64_t hop_;
  const std::int64_t samples_each_length_;
  const std::int64_t sample_rate_;
  std::int64_t longest_samples_;
  const bool batched_;
  const DeviceShare share_;
  std::size_t least_rows_;
  CompiledRender compiled_;
  RenderBytes bytes_;
  std::unique_ptr<RenderBudget> budget_;  ///< Null where nothing could be measured.
  double plan_bytes_per_token_ = 0;
  std::mutex store_mutex_;
  std::shared_ptr<PlanStore> store_;  ///< Null before the first plan.
  std::int64_t store_tokens_ = 4096;
  BatchShapes shapes_;
  BatchShapes render_shapes_;
  std::size_t look_ahead_ = 0;
};

at::Device torch_device(DeviceId device) {
  if (device.kind == DeviceKind::kCpu) return at::Device(at::kCPU);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(device.index)};
}

std::shared_ptr<TorchEngine> make_engine(const VoiceConfig& voice, at::Device where,
                                         ModelFunctions functions, const TorchOptions& options) {
  return std::make_shared<TorchEngine>(voice, where, std::move(functions),
                                       options.batched.value_or(where.is_cuda()),
                                       options.voice.share);
}

/// Has a made-up sentence spoken by compiled code that checks what it is given; nothing where it
/// speaks, or fails in what it says.
std::optional<Error> try_out(const VoiceConfig& voice, TorchEngine& engine, std::size_t rows) {
  const CheckedInputs checked;
  CapturedStderr words;
  const std::vector<std::int64_t> tokens(8, 1);
  const VoiceInput input{tokens, 0, 1.0, 0};
  const auto spoken = engine.speak({&input, 1}, rows);
  const std::string objection = words.take_errors();
  if (!spoken.front().is_error()) return std::nullopt;
  const Error& error = spoken.front().error();
  if (error.code == kOutOfMemoryCode || error.code == kDeviceLostCode) return error;
  if (error.code == "bad_model_output") return cannot_load(voice, error.message);
  if (error.code != "model_failed") return std::nullopt;
  if (objection.empty()) return cannot_load(voice, error.message);
  return cannot_load(
      voice, c10::str("a first sentence was refused: ", objection, ". It was given ",
                      rows > 1 ? "a batch of rows" : "one row",
                      ": tokens int64 [B, T], lengths, speaker and seed int64 [B], speed and "
                      "length_scale float32 [B], numbers and lists as docs/voices.md says"));
}

/// A batch that changes has at least two rows for torch.export; one that does not may have one.
std::optional<Error> find_rows(const VoiceConfig& voice, TorchEngine& engine,
                               const DeviceShare& share) {
  if (engine.max_batch() > 1) return try_out(voice, engine, token_shapes(share).rows(1));
  auto failure = try_out(voice, engine, 2);
  if (!failure || failure->code != "voice_not_loaded") return failure;
  engine.set_least_rows(1);
  return try_out(voice, engine, 1) ? failure : std::nullopt;
}

template <class Open>
Result<std::shared_ptr<VoiceEngine>> opened(const VoiceConfig& voice, const Open& open) {
  prepare_torch();
  try {
    return open();
  } catch (const c10::Error& error) {
    return cannot_load(voice, brief_failure(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return cannot_load(voice, brief_failure(error.what()));
  }
}

}  // namespace

Result<std::shared_ptr<VoiceEngine>> open_torchscript(const VoiceConfig& voice, DeviceId device,
                                                      TorchOptions options) {
  return opened(voice, [&]() -> Result<std::shared_ptr<VoiceEngine>> {
    const at::Device where = torch_device(device);
    auto functions = load_torchscript(voice, where);
    if (!functions.ok()) return functions.error();
    if (where.is_cuda()) {  // The lanes' streams know nothing of the one that loaded.
      c10::impl::VirtualGuardImpl(where.type()).synchronizeDevice(where.index());
    }
    auto engine = make_engine(voice, where, *std::move(functions), options);
    auto compiled = open_compiled_render(voice, device, options.voice);
    if (!compiled.ok()) return compiled.error();
    engine->render_with(*std::move(compiled));
    if (where.is_cuda()) engine->choose_shapes(voice, device);
    return std::shared_ptr<VoiceEngine>(std::move(engine));
  });
}

Result<std::shared_ptr<VoiceEngine>> open_aoti(const VoiceConfig& voice, DeviceId device,
                                               TorchOptions options) {
  return opened(voice, [&]() -> Result<std::shared_ptr<VoiceEngine>> {
    if (options.voice.precision != "auto") {
      return cannot_load(voice,
                         c10::str("it computes in what it was compiled in; found 'precision: ",
                                  options.voice.precision, "', allowed is auto"));
    }
    const at::Device where = torch_device(device);
    const auto lanes = static_cast<std::size_t>(std::max(1, options.voice.share.lanes));
    auto functions = load_aoti(voice, device, lanes);
    if (!functions.ok()) return functions.error();
    auto engine = make_engine(voice, where, *std::move(functions), options);
    if (auto failure = find_rows(voice, *engine, options.voice.share)) return *std::move(failure);
    if (where.is_cuda()) engine->choose_shapes(voice, device);
    return std::shared_ptr<VoiceEngine>(std::move(engine));
  });
}

}  // namespace flowtts
