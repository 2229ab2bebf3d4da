#include "stages/neural/torch/model_arguments.h"

#include <algorithm>
#include <utility>

#include <c10/util/StringUtil.h>
#include <flowtts/diagnostics.h>

namespace flowtts {
namespace {

using Kind = GivenValue::Kind;

GivenValue of_kind(Kind kind) {
  GivenValue value;
  value.kind = kind;
  return value;
}

double value_in(const VoiceInput& input, Kind kind) {
  switch (kind) {
    case Kind::kLengths:
      return static_cast<double>(input.tokens.size());
    case Kind::kSpeaker:
      return static_cast<double>(input.speaker);
    case Kind::kSpeed:
      return input.speed;
    case Kind::kLengthScale:
      return 1 / input.speed;
    default:
      return 0;
  }
}

bool is_real(Kind kind) { return kind == Kind::kSpeed || kind == Kind::kLengthScale; }

c10::IValue tensor_of(Kind kind, const TokenBatch& batch) {
  switch (kind) {
    case Kind::kTokens:
      return batch.tokens;
    case Kind::kLengths:
      return batch.token_lengths;
    case Kind::kSpeaker:
      return batch.speakers;
    case Kind::kSeed:
      return batch.seeds;
    case Kind::kLengthScale:
      return batch.speeds.reciprocal();
    default:
      return batch.speeds;
  }
}

}  // namespace

/// Fits what a voice file gives to the arguments that a function has.
class ModelArguments::Binder {
 public:
  Binder(std::string what, const ModelIo& io)
      : what_("voice 'inputs': " + std::move(what)), io_(io) {}

  /// An argument of the function, in order.
  void add(const std::string& name, const c10::TypePtr& type, std::optional<c10::IValue> fixed) {
    names_.push_back(name);
    types_.push_back(type);
    fixed_.push_back(std::move(fixed));
  }

  Result<ModelArguments> bind() {
    std::vector<const ModelInput*> given(names_.size(), nullptr);
    for (const ModelInput& input : io_.inputs) {
      const auto place =
          find_name(input.name, input.where, names_, what_, "argument", diagnostics_);
      if (!place) continue;
      if (given[*place] != nullptr) {
        diagnostics_.error(input.where, "duplicate-key",
                           c10::str(what_, ": '", input.name, "' and '", given[*place]->name,
                                    "' are the same argument"));
      }
      given[*place] = &input;
    }
    // An argument that is given nothing may be one that is given by another name.
    names_fit_ = !diagnostics_.has_errors();
    ModelArguments made;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      made.arguments_.push_back(given[i] != nullptr ? fit(*given[i], types_[i]) : leave(i));
    }
    if (diagnostics_.has_errors()) return bad_voice(diagnostics_);
    return made;
  }

 private:
  Argument leave(std::size_t place) {
    Argument argument;
    if (fixed_[place]) {
      argument.fixed = *fixed_[place];
    } else if (names_fit_) {
      const std::string name = names_[place].empty() ? std::to_string(place) : names_[place];
      diagnostics_.error(io_.inputs_where, "missing-argument",
                         c10::str(what_, " has the argument '", name,
                                  "', which is given nothing and has no default: name it, with "
                                  "tokens, lengths, speaker, speed, length_scale, seed or a "
                                  "number"));
    }
    return argument;
  }

  Argument fit(const ModelInput& input, const c10::TypePtr& type) {
    Argument argument;
    argument.list = input.list;
    argument.values = input.values;
    const c10::TypePtr inner = type->kind() == c10::TypeKind::OptionalType
                                   ? type->expectRef<c10::OptionalType>().getElementType()
                                   : type;
    const std::optional<Form> form = form_of(*inner);
    if (!form) {
      wrong(input, c10::str("is of the type ", type->str(), ", which a voice file cannot give"));
      return argument;
    }
    argument.form = *form;
    const bool wants_list = *form == Form::kInts || *form == Form::kFloats;
    if (*form == Form::kTensor) {
      for (const GivenValue& value : input.values) {
        if (!input.list || value.kind != Kind::kSeed) continue;
        diagnostics_.error(value.where, "wrong-type",
                           c10::str(what_, ": '", input.name,
                                    "': a seed has more digits than a list of float32 holds; give "
                                    "it to an argument of its own"));
      }
      return argument;
    }
    if (wants_list != input.list) {
      wrong(input,
            c10::str("is of the type ", type->str(), "; found ",
                     input.list ? "a list, expected one value" : "one value, expected a list"));
      return argument;
    }
    for (const GivenValue& value : input.values) check(input, value, *form, *type);
    return argument;
  }

  void check(const ModelInput& input, const GivenValue& value, Form form, const c10::Type& type) {
    const bool whole = value.kind == Kind::kNumber ? value.whole : !is_real(value.kind);
    const bool wants_whole = form == Form::kInt || form == Form::kInts;
    const bool fits =
        value.kind != Kind::kTokens && value.kind != Kind::kSeed && (!wants_whole || whole) &&
        (form != Form::kBool ||
         (value.kind == Kind::kNumber && value.whole && (value.number == 0 || value.number == 1)));
    // A seed has more digits than a float, and as an int would be another one for each sentence.
    const bool seed = value.kind == Kind::kSeed && form == Form::kInt;
    if (!fits && !seed) {
      diagnostics_.error(
          value.where, "wrong-type",
          c10::str(what_, ": '", input.name, "' is of the type ", type.str(),
                   form == Form::kBool ? " (1 or 0)" : "", ", which '", value.text, "' is not"));
    }
  }

  void wrong(const ModelInput& input, const std::string& why) {
    diagnostics_.error(input.values.front().where, "wrong-type",
                       c10::str(what_, ": '", input.name, "' ", why));
  }

  static std::optional<Form> form_of(const c10::Type& type) {
    switch (type.kind()) {
      case c10::TypeKind::TensorType:
        return Form::kTensor;
      case c10::TypeKind::IntType:
        return Form::kInt;
      case c10::TypeKind::FloatType:
      case c10::TypeKind::NumberType:
        return Form::kFloat;
      case c10::TypeKind::BoolType:
        return Form::kBool;
      case c10::TypeKind::ListType: {
        const auto element = type.expectRef<c10::ListType>().getElementType()->kind();
        if (element == c10::TypeKind::IntType) return Form::kInts;
        if (element == c10::TypeKind::FloatType) return Form::kFloats;
        return std::nullopt;
      }
      default:
        return std::nullopt;
    }
  }

  const std::string what_;
  const ModelIo& io_;
  Diagnostics diagnostics_;
  bool names_fit_ = false;
  std::vector<std::string> names_;
  std::vector<c10::TypePtr> types_;
  std::vector<std::optional<c10::IValue>> fixed_;
};

ModelArguments ModelArguments::by_position(bool with_seed) {
  ModelArguments made;
  for (const Kind kind :
       {Kind::kTokens, Kind::kLengths, Kind::kSpeaker, Kind::kSpeed, Kind::kSeed}) {
    if (kind == Kind::kSeed && !with_seed) continue;
    made.arguments_.push_back({Form::kTensor, false, {of_kind(kind)}});
  }
  return made;
}

Result<ModelArguments> ModelArguments::of_method(const torch::jit::Method& method,
                                                 const ModelIo& io) {
  const auto& arguments = method.function().getSchema().arguments();
  Binder binder(c10::str("the model's method '", method.name(), "'"), io);
  for (std::size_t i = 1; i < arguments.size(); ++i) {  // the first is the module itself
    binder.add(arguments[i].name(), arguments[i].type(), arguments[i].default_value());
  }
  return binder.bind();
}

Result<ModelArguments> ModelArguments::of_package(std::string_view what,
                                                  const std::vector<std::string>& names,
                                                  const ModelIo& io) {
  Binder binder{std::string(what), io};
  for (const std::string& name : names) binder.add(name, c10::TensorType::get(), std::nullopt);
  return binder.bind();
}

std::vector<c10::IValue> ModelArguments::make(const TokenBatch& batch,
                                              std::span<const VoiceInput> inputs,
                                              at::Device device) const {
  std::vector<c10::IValue> values;
  values.reserve(arguments_.size());
  for (const Argument& argument : arguments_) {
    values.push_back(argument.values.empty() ? argument.fixed
                                             : value_of(argument, batch, inputs, device));
  }
  return values;
}

c10::IValue ModelArguments::value_of(const Argument& argument, const TokenBatch& batch,
                                     std::span<const VoiceInput> inputs, at::Device device) {
  const GivenValue& first = argument.values.front();
  if (argument.form == Form::kTensor && !argument.list && first.kind != Kind::kNumber) {
    return tensor_of(first.kind, batch);
  }
  if (argument.form == Form::kInt && first.kind == Kind::kSeed) {
    return static_cast<std::int64_t>(inputs.front().seed >> 1);
  }
  std::vector<double> numbers;
  for (const GivenValue& value : argument.values) numbers.push_back(number_of(value, inputs));
  switch (argument.form) {
    case Form::kTensor: {
      if (!argument.list && first.whole) {
        return at::full({}, static_cast<std::int64_t>(first.number),
                        at::TensorOptions().dtype(at::kLong).device(device));
      }
      const at::Tensor there =
          numbers_on(std::vector<float>(numbers.begin(), numbers.end()), device);
      return argument.list ? there : there.squeeze(0);
    }
    case Form::kInt:
      return static_cast<std::int64_t>(numbers.front());
    case Form::kBool:
      return numbers.front() != 0;
    case Form::kInts:
      return std::vector<std::int64_t>(numbers.begin(), numbers.end());
    case Form::kFloats:
      return numbers;
    default:
      return numbers.front();
  }
}

double ModelArguments::number_of(const GivenValue& value, std::span<const VoiceInput> inputs) {
  if (value.kind == Kind::kNumber) return value.number;
  const double number = value_in(inputs.front(), value.kind);
  for (const VoiceInput& input : inputs) {
    TORCH_CHECK(value_in(input, value.kind) == number, "the batch has one value for '", value.text,
                "', and its sentences differ in it");
  }
  return number;
}

bool ModelArguments::draws() const {
  return std::any_of(arguments_.begin(), arguments_.end(), [](const Argument& argument) {
    return std::any_of(argument.values.begin(), argument.values.end(),
                       [](const GivenValue& value) { return value.kind == Kind::kSeed; });
  });
}

bool ModelArguments::one_at_a_time() const {
  return std::any_of(arguments_.begin(), arguments_.end(), [](const Argument& argument) {
    if (argument.form == Form::kTensor && !argument.list) return false;
    return std::any_of(argument.values.begin(), argument.values.end(),
                       [](const GivenValue& value) { return value.differs(); });
  });
}

}  // namespace flowtts
