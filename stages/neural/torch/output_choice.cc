#include "stages/neural/torch/output_choice.h"

#include <utility>

#include <c10/util/StringUtil.h>
#include <flowtts/diagnostics.h>

#include "stages/neural/voice.h"

namespace flowtts {
namespace {

std::vector<std::string> names_of(const c10::Type& returned) {
  const auto* tuple = returned.castRaw<c10::TupleType>();
  if (tuple == nullptr) return {""};
  const auto fields = tuple->names();
  std::vector<std::string> names(tuple->elements().size());
  for (std::size_t i = 0; fields && i < names.size(); ++i) names[i] = std::string((*fields)[i]);
  return names;
}

}  // namespace

Result<OutputChoice> OutputChoice::of_type(const c10::Type& returned, const ModelIo& io,
                                           std::string_view what) {
  if (io.audio.name.empty()) return OutputChoice();
  if (returned.kind() != c10::TypeKind::DictType) return of_names(names_of(returned), io, what);
  OutputChoice choice;  // what keys a dict has is seen when it is there
  choice.by_position_ = false;
  choice.audio_.key = io.audio.name;
  choice.lengths_.reset();
  if (!io.lengths.name.empty()) choice.lengths_ = Place{0, io.lengths.name};
  return choice;
}

Result<OutputChoice> OutputChoice::of_names(const std::vector<std::string>& names,
                                            const ModelIo& io, std::string_view what) {
  if (io.audio.name.empty()) return OutputChoice();
  Diagnostics diagnostics;
  const std::string begin = c10::str("voice 'outputs': ", what);
  OutputChoice choice;
  choice.by_position_ = false;
  choice.lengths_.reset();
  const auto audio = find_name(io.audio.name, io.audio.where, names, begin, "output", diagnostics);
  if (audio) choice.audio_ = Place{*audio};
  if (!io.lengths.name.empty()) {
    const auto lengths =
        find_name(io.lengths.name, io.lengths.where, names, begin, "output", diagnostics);
    if (lengths) choice.lengths_ = Place{*lengths};
  }
  if (diagnostics.has_errors()) return bad_voice(diagnostics);
  return choice;
}

std::optional<c10::IValue> OutputChoice::at(const c10::IValue& made, const Place& place) {
  if (!place.key.empty()) {
    if (!made.isGenericDict()) return std::nullopt;
    const auto dict = made.toGenericDict();
    const auto found = dict.find(c10::IValue(place.key));
    if (found == dict.end()) return std::nullopt;
    return found->value();
  }
  if (!made.isTuple()) {
    return place.index == 0 && made.isTensor() ? std::optional(made) : std::nullopt;
  }
  const auto& parts = made.toTupleRef().elements();
  if (place.index >= parts.size()) return std::nullopt;
  return parts[place.index];
}

std::optional<OutputChoice::Chosen> OutputChoice::choose(const c10::IValue& made) const {
  if (by_position_ && (!made.isTuple() || made.toTupleRef().elements().size() != 2)) {
    return std::nullopt;
  }
  auto audio = at(made, audio_);
  if (!audio) return std::nullopt;
  Chosen chosen{*std::move(audio), {}};
  if (lengths_) {
    auto lengths = at(made, *lengths_);
    if (!lengths) return std::nullopt;
    chosen.lengths = *std::move(lengths);
  }
  return chosen;
}

std::string OutputChoice::wanted() const {
  if (by_position_) return "(audio, int64 [B] audio_lengths)";
  const auto name = [](const Place& place) {
    return place.key.empty() ? std::to_string(place.index) : c10::str("'", place.key, "'");
  };
  return c10::str("float32 [B, N] audio as ", name(audio_),
                  lengths_ ? c10::str(" and int64 [B] lengths as ", name(*lengths_)) : "");
}

}  // namespace flowtts
