#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <torch/script.h>

#include <flowtts/result.h>

#include "stages/neural/model_io.h"

namespace flowtts {

/// Which of what a function returns is the sound, and which its lengths; decided when the voice is
/// loaded, as far as the function says what it returns. A value.
class OutputChoice {
 public:
  /// The contract without names: a tuple of two, (audio, audio_lengths).
  OutputChoice() = default;

  /// By the fields of a NamedTuple, the keys of a dict, or places in a tuple; one tensor is the
  /// place 0. The Error "bad_voice" says in the voice file's places what is not there.
  /// \param what "the module's method 'forward'"
  static Result<OutputChoice> of_type(const c10::Type& returned, const ModelIo& io,
                                      std::string_view what);

  /// By the names of a package's outputs, which come as a tuple; an empty one has its place alone.
  static Result<OutputChoice> of_names(const std::vector<std::string>& names, const ModelIo& io,
                                       std::string_view what);

  bool has_lengths() const { return lengths_.has_value(); }

  struct Chosen {
    c10::IValue audio;
    c10::IValue lengths;  ///< None where there are none.
  };
  /// Nothing where `made` does not have them.
  std::optional<Chosen> choose(const c10::IValue& made) const;

  /// What was wanted, for messages: "(audio, int64 [B] audio_lengths)".
  std::string wanted() const;

 private:
  struct Place {
    std::size_t index = 0;
    std::string key{};  ///< Of a dict; empty: the index counts.
  };
  static std::optional<c10::IValue> at(const c10::IValue& made, const Place& place);

  bool by_position_ = true;
  Place audio_;
  std::optional<Place> lengths_ = Place{1};
};

}  // namespace flowtts
