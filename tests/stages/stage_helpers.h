#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <flowtts/registry.h>

namespace flowtts::testing {

inline const StageType& stage_type(std::string_view name) {
  const StageType* type = StageRegistry::global().find(name);
  if (type == nullptr) throw std::runtime_error("no stage " + std::string(name));
  return *type;
}

/// Sets a parameter that is kept in a T.
template <class T>
void set_param(AnyStage& stage, std::string_view type, std::string_view name, T value) {
  for (const ParamInfo& param : stage_type(type).spec.params) {
    if (param.name == name) {
      *std::get<T*>(param.field(stage.object())) = std::move(value);
      return;
    }
  }
  throw std::runtime_error("no parameter " + std::string(name));
}

/// Keeps what a stage's `check` says.
struct CollectingChecker final : Checker {
  std::vector<std::string> errors;  // "param: message"
  std::vector<std::string> notes;

  void error(std::string_view param, std::string message) override {
    errors.push_back(std::string(param) + ": " + std::move(message));
  }
  void warning(std::string_view, std::string) override {}
  void note(std::string text) override { notes.push_back(std::move(text)); }
  void device_bytes(std::uint64_t, std::uint64_t) override {}
};

inline std::vector<std::string> check_errors(const AnyStage& stage) {
  CollectingChecker checker;
  stage.check(checker);
  return checker.errors;
}

/// An item that is not part of a run.
struct LooseItem {
  RecordKey record{"a", 0, 0, 0};
  std::vector<std::uint32_t> path;
  Item item{record, path, 42, 1};
};

}  // namespace flowtts::testing
