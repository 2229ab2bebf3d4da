#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <torch/script.h>

#include <flowtts/result.h>

#include "stages/neural/model_io.h"
#include "stages/neural/torch/voice_batch.h"
#include "stages/neural/voice.h"

namespace flowtts {

/// What the arguments of a model's first function are given, decided when the voice is loaded. A
/// value; `make` may be called by several threads.
///
/// Where an argument is a tensor, tokens are int64 [B, T], lengths, speaker and seed int64 [B],
/// speed and length_scale float32 [B]; a number is a tensor without dimensions, int64 where it is
/// whole and else float32; a list is float32 [K], one for the batch. A TorchScript argument may
/// also be an int, a float, a bool (0 or 1), or a list of ints or floats.
class ModelArguments {
 public:
  /// The contract without names: tokens, token_lengths, speaker, speed, and the seed at the end.
  static ModelArguments by_position(bool with_seed);

  /// By the names, or places, of a method's arguments; those that the voice does not give have
  /// their defaults. The Error "bad_voice" says in the voice file's places what does not fit.
  static Result<ModelArguments> of_method(const torch::jit::Method& method, const ModelIo& io);

  /// By the names, or places, of a package's inputs, all of which are tensors.
  /// \param names of the inputs, in order; an empty one has its place alone.
  static Result<ModelArguments> of_package(std::string_view what,
                                           const std::vector<std::string>& names,
                                           const ModelIo& io);

  /// \param inputs the sentences that the batch was made of.
  /// Throws c10::Error where they differ in what the batch has one value for.
  std::vector<c10::IValue> make(const TokenBatch& batch, std::span<const VoiceInput> inputs,
                                at::Device device) const;

  bool draws() const;  ///< Whether the seed is among them.

  /// Whether a value that sentences differ in goes where a batch has one value.
  bool one_at_a_time() const;

 private:
  enum class Form { kTensor, kInt, kFloat, kBool, kInts, kFloats };
  struct Argument {
    Form form = Form::kTensor;
    bool list = false;
    std::vector<GivenValue> values;
    c10::IValue fixed{};  ///< Of an argument with its default, which has no values.
  };
  class Binder;

  static c10::IValue value_of(const Argument& argument, const TokenBatch& batch,
                              std::span<const VoiceInput> inputs, at::Device device);
  static double number_of(const GivenValue& value, std::span<const VoiceInput> inputs);

  std::vector<Argument> arguments_;
};

}  // namespace flowtts
