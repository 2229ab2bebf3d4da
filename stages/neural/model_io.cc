#include "stages/neural/model_io.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <flowtts/spec.h>
#include <fmt/format.h>

#include "core/config/params.h"
#include "core/config/yaml_tree.h"

namespace flowtts {
namespace {

using Kind = GivenValue::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 6> kKinds{{
    {"tokens", Kind::kTokens},
    {"lengths", Kind::kLengths},
    {"speaker", Kind::kSpeaker},
    {"speed", Kind::kSpeed},
    {"length_scale", Kind::kLengthScale},
    {"seed", Kind::kSeed},
}};

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kKinds) names.emplace_back(name);
  return names;
}

bool is_whole(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class InputReader {
 public:
  InputReader(const yaml::Entry& entry, Diagnostics& diagnostics)
      : entry_(entry), diagnostics_(diagnostics) {}

  ModelInput read() {
    const yaml::Node& node = *entry_.value;
    ModelInput input{entry_.key, node.is_list(), {}, entry_.where};
    if (node.is_list() && node.items.empty()) report(node, "wrong-type", "the list is empty");
    for (const yaml::NodePtr& item : node.items) input.values.push_back(value_of(*item));
    if (!node.is_list()) input.values.push_back(value_of(node));
    for (const GivenValue& value : input.values) {
      if (!input.list || value.kind != Kind::kTokens) continue;
      diagnostics_.error(value.where, "wrong-type",
                         fmt::format("voice 'inputs': '{}': 'tokens' are a list by themselves, and "
                                     "cannot stand in one",
                                     entry_.key));
    }
    return input;
  }

 private:
  GivenValue value_of(const yaml::Node& node) {
    GivenValue value;
    value.where = node.where;
    if (!node.is_scalar()) {
      report(node, "wrong-type",
             fmt::format("found {}, expected {}, a number, or a list of these", node.describe(),
                         list_words(kind_names())));
      return value;
    }
    value.text = node.text;
    const auto* const known = std::find_if(
        kKinds.begin(), kKinds.end(), [&](const auto& kind) { return kind.first == node.text; });
    if (known != kKinds.end()) {
      value.kind = known->second;
    } else if (const auto number = yaml::as_number(node); number && std::isfinite(*number)) {
      value.number = *number;
      value.whole = is_whole(node.text) && std::abs(*number) < 9.0e15;
    } else {
      report(node, "unknown-choice",
             fmt::format("{} is not allowed; allowed is {}, a number, or a list of these{}",
                         node.describe(), list_words(kind_names()),
                         did_you_mean(node.text, kind_names())));
    }
    return value;
  }

  void report(const yaml::Node& node, std::string code, const std::string& message) {
    diagnostics_.error(node.where, std::move(code),
                       fmt::format("voice 'inputs': '{}': {}", entry_.key, message));
  }

  const yaml::Entry& entry_;
  Diagnostics& diagnostics_;
};

void read_inputs(const yaml::Entry& inputs, ModelIo& io, Diagnostics& diagnostics) {
  io.inputs_where = inputs.where;
  if (!inputs.value->is_map() || inputs.value->entries.empty()) {
    diagnostics.error(
        inputs.value->where, "wrong-type",
        fmt::format("voice 'inputs': found {}, expected a map from the model's "
                    "inputs to what they are given, as {{x: tokens, x_lengths: "
                    "lengths}}",
                    inputs.value->is_map() ? "an empty map" : inputs.value->describe()));
    return;
  }
  bool tokens = false;
  for (const yaml::Entry& entry : inputs.value->entries) {
    io.inputs.push_back(InputReader(entry, diagnostics).read());
    for (const GivenValue& value : io.inputs.back().values) tokens |= value.kind == Kind::kTokens;
  }
  if (!tokens && !diagnostics.has_errors()) {
    diagnostics.error(inputs.where, "missing-value",
                      "voice 'inputs': no input is given 'tokens', so the model would not know "
                      "what to say");
  }
}

/// `outputs`, in the shape in which YAML has it.
struct Outputs {
  std::string audio;
  std::string lengths;
  std::string lengths_in = "samples";
};

void read_outputs(const yaml::Entry& outputs, ModelIo& io, Diagnostics& diagnostics) {
  StageSpec params;
  Spec<Outputs>(params)
      .param("audio", &Outputs::audio, "the model's output that is the sound, a name or a place")
      .required()
      .param("lengths", &Outputs::lengths, "the output that says how much of each row is sound")
      .param("lengths_in", &Outputs::lengths_in, "what the lengths count")
      .one_of({"samples", "frames"});
  Outputs given;
  read_params(outputs.value.get(), params.params, &given, outputs.where, "voice 'outputs'",
              diagnostics);
  const auto where = [&](std::string_view key) {
    const yaml::Entry* entry = outputs.value->find(key);
    return entry ? entry->value->where : outputs.where;
  };
  io.audio = {given.audio, where("audio")};
  io.lengths = {given.lengths, where("lengths")};
  io.lengths_in_frames = given.lengths_in == "frames";
  if (outputs.value->find("lengths_in") && !outputs.value->find("lengths")) {
    diagnostics.error(where("lengths_in"), "missing-key",
                      "voice 'outputs': 'lengths_in' says what 'lengths' counts, which is not "
                      "there");
  }
}

}  // namespace

bool GivenValue::differs() const {
  return kind == Kind::kTokens || kind == Kind::kLengths || kind == Kind::kSpeaker ||
         kind == Kind::kSeed;
}

std::optional<std::size_t> place_of(std::string_view name) {
  std::size_t place = 0;
  const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), place);
  if (name.empty() || end != name.data() + name.size() || status != std::errc()) {
    return std::nullopt;
  }
  return place;
}

std::optional<std::size_t> find_name(const std::string& name, const SourcePosition& where,
                                     const std::vector<std::string>& names, std::string_view what,
                                     std::string_view kind, Diagnostics& diagnostics) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  if (const auto place = place_of(name); place && *place < names.size()) return place;
  std::vector<std::string> known;
  for (std::size_t i = 0; i < names.size(); ++i) {
    known.push_back(names[i].empty() ? std::to_string(i) : names[i]);
  }
  diagnostics.error(where, fmt::format("unknown-{}", kind),
                    fmt::format("{} has no {} '{}'; it has {}{}", what, kind, name,
                                known.empty() ? "none" : fmt::format("{}", list_words(known)),
                                did_you_mean(name, known)));
  return std::nullopt;
}

ModelIo read_model_io(const yaml::Node& voice, Diagnostics& diagnostics) {
  ModelIo io;
  if (const yaml::Entry* inputs = voice.find("inputs")) read_inputs(*inputs, io, diagnostics);
  if (const yaml::Entry* outputs = voice.find("outputs")) read_outputs(*outputs, io, diagnostics);
  return io;
}

}  // namespace flowtts
