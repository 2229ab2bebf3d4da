#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <flowtts/registry.h>

namespace flowtts {

/// One stage of the registry, run on its own. Belongs to one test.
class StageRun {
 public:
  explicit StageRun(const std::string& type) : type_(StageRegistry::global().find(type)) {
    REQUIRE(type_ != nullptr);
    stage_ = type_->make();
  }

  /// Sets a parameter whose field is a `Value`.
  template <class Value>
  StageRun& set(const std::string& name, Value value) {
    for (const ParamInfo& param : type_->spec.params) {
      if (param.name != name) continue;
      const ParamField field = param.field(stage_->object());
      REQUIRE(std::holds_alternative<Value*>(field));
      *std::get<Value*>(field) = std::move(value);
      return *this;
    }
    FAIL("no parameter '", name, "'");
    return *this;
  }

  /// What the stage's check finds wrong, as "param: message".
  std::vector<std::string> errors() const {
    struct Collector final : Checker {
      std::vector<std::string> found;
      void error(std::string_view param, std::string message) override {
        found.push_back(std::string(param) + ": " + message);
      }
      void warning(std::string_view, std::string) override {}
      void note(std::string) override {}
      void device_bytes(std::uint64_t, std::uint64_t) override {}
    } collector;
    stage_->check(collector);
    return collector.found;
  }

  void open() { REQUIRE_FALSE(stage_->open({}).has_value()); }

  template <class In>
  Result<std::vector<AnyPayload>> process(In payload) {
    const RecordKey key;
    const std::vector<std::uint32_t> path;
    const AnyPayload in = AnyPayload::of(std::move(payload));
    if (type_->kind == StageKind::kExpand) return stage_->expand(in, Item{key, path});
    const Result<AnyPayload> made = stage_->process(in, Item{key, path});
    if (made.is_filtered()) return made.filtered();
    if (made.is_error()) return made.error();
    return std::vector<AnyPayload>{made.value()};
  }

 private:
  const StageType* type_;
  std::unique_ptr<AnyStage> stage_;
};

}  // namespace flowtts
