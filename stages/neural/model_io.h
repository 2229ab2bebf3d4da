#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/diagnostics.h>

namespace flowtts {

namespace yaml {
class Node;
}

/// Something that an input of a model is given.
struct GivenValue {
  enum class Kind {
    kTokens,       ///< Of the sentence, filled up to the batch's longest.
    kLengths,      ///< How many of them are the sentence's own.
    kSpeaker,      ///< Its place among the voice's speakers.
    kSpeed,        ///< 1 is the voice's own pace, 2 twice as fast.
    kLengthScale,  ///< 1 / speed.
    kSeed,
    kNumber,  ///< The same for all sentences.
  };
  Kind kind = Kind::kNumber;
  double number = 0;
  bool whole = false;  ///< A number without a point and an exponent.
  std::string text;    ///< As the voice file has it.
  SourcePosition where{};

  /// Whether sentences of one run have different ones.
  bool differs() const;
};

/// An input of a model and what it is given: one value, or the values of a vector that the whole
/// batch shares.
struct ModelInput {
  std::string name;  ///< As the model calls it, or its place from 0.
  bool list = false;
  std::vector<GivenValue> values;  ///< One where it is no list.
  SourcePosition where{};          ///< Of the name.
};

/// An output of a model, by its name or its place from 0; empty where the voice file does not say.
struct ModelOutput {
  std::string name;
  SourcePosition where{};
};

/// What a voice file says of its model's inputs and outputs. Where it says nothing, `inputs` and
/// `audio` are empty and the format's positional contract holds.
struct ModelIo {
  std::vector<ModelInput> inputs;
  SourcePosition inputs_where{};
  ModelOutput audio;
  ModelOutput lengths;             ///< How much of each row is sound; empty: all of it.
  bool lengths_in_frames = false;  ///< Of the voice's hop, instead of samples.
};

/// The number that a name is, where it is a place.
std::optional<std::size_t> place_of(std::string_view name);

/// Where `name` stands among those that a model has, itself or as a place. Reports one that is not
/// there with those that are, and the nearest.
/// \param what begins the message: "voice 'inputs': the method 'forward'".
/// \param kind "argument", "output".
std::optional<std::size_t> find_name(const std::string& name, const SourcePosition& where,
                                     const std::vector<std::string>& names, std::string_view what,
                                     std::string_view kind, Diagnostics& diagnostics);

/// Reads `inputs` and `outputs` of a voice file, and reports what is wrong.
ModelIo read_model_io(const yaml::Node& voice, Diagnostics& diagnostics);

}  // namespace flowtts
