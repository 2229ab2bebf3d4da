#include "core/run/run_identity.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <flowtts/run.h>

#include "core/config/params.h"

namespace flowtts {
namespace {

constexpr std::array<std::string_view, 5> kGroups{"version", "pipeline", "input", "files",
                                                  "numerics"};

const RunFact* find(const std::vector<RunFact>& facts, const RunFact& like) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const RunFact& fact) {
    return fact.group == like.group && fact.name == like.name;
  });
  return found == facts.end() ? nullptr : &*found;
}

bool has_group(const std::vector<RunFact>& facts, std::string_view group) {
  return std::any_of(facts.begin(), facts.end(),
                     [&](const RunFact& fact) { return fact.group == group; });
}

std::string sources_of(const Pipeline& pipeline, const PipelineStage& stage) {
  std::vector<std::string> names;
  for (const std::size_t from : stage.from) names.push_back(pipeline.stages()[from].id);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::span<const std::string_view> fact_groups() { return kGroups; }

RunIdentity RunIdentity::of(const Pipeline& pipeline) {
  RunIdentity identity;
  const auto add = [&](std::string_view group, std::string name, std::string value) {
    identity.facts_.push_back({std::string(group), std::move(name), std::move(value)});
  };
  add("version", "flowtts", version());
  add("pipeline", "run.seed", std::to_string(pipeline.settings().seed));
  add("pipeline", "run.on_error.retakes", std::to_string(pipeline.settings().retakes));
  for (const PipelineStage& stage : pipeline.stages()) {
    add("pipeline", stage.id + ".type", stage.type->spec.name);
    add("pipeline", stage.id + ".from", sources_of(pipeline, stage));
    for (const ParamInfo& param : stage.type->spec.params) {
      if (param.neutral) continue;
      add("pipeline", stage.id + "." + param.name, field_text(param.field(stage.stage->object())));
    }
    const std::string content = stage.stage->content();
    if (content.empty()) continue;
    const bool source = stage.type->kind == StageKind::kSource;
    add(source ? "input" : "files", "content of " + stage.id, content);
  }
  return identity;
}

void RunIdentity::add_numerics(const Pipeline& pipeline, const DeviceExecutor& executor) {
  std::size_t number = 0;
  for (const PipelineStage& stage : pipeline.stages()) {
    if (stage.type->kind != StageKind::kDevice) continue;
    std::set<std::string> numerics;
    for (const DeviceUse& use : executor.use(number++)) {
      const bool gpu = use.device.id.kind == DeviceKind::kCuda;
      numerics.insert(fmt::format("{}: {}", gpu ? "gpu" : "cpu", use.numerics));
    }
    facts_.push_back({"numerics", stage.id, fmt::format("{}", fmt::join(numerics, "; "))});
  }
}

std::vector<FactChange> RunIdentity::changes_to(const RunIdentity& now) const {
  std::vector<FactChange> changes;
  const auto compared = [&](const RunFact& fact) {
    return has_group(facts_, fact.group) && has_group(now.facts_, fact.group);
  };
  for (const RunFact& fact : now.facts_) {
    const RunFact* before = find(facts_, fact);
    if (!compared(fact) || (before && before->value == fact.value)) continue;
    changes.push_back({fact.group, fact.name, before ? before->value : "", fact.value});
  }
  for (const RunFact& fact : facts_) {
    if (compared(fact) && !find(now.facts_, fact)) {
      changes.push_back({fact.group, fact.name, fact.value, ""});
    }
  }
  return changes;
}

void RunIdentity::write(JsonWriter& json) const {
  json.begin_array();
  for (const RunFact& fact : facts_) {
    json.begin_array().value(fact.group).value(fact.name).value(fact.value).end_array();
  }
  json.end_array();
}

RunIdentity RunIdentity::read(const JsonValue& json) {
  RunIdentity identity;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const JsonValue fact = json.at(i);
    identity.facts_.push_back({fact.at(0).text().value_or(""), fact.at(1).text().value_or(""),
                               fact.at(2).text().value_or("")});
  }
  return identity;
}

std::optional<Error> refuse_changes(const std::vector<FactChange>& changes,
                                    std::span<const std::string> accepted,
                                    const std::filesystem::path& folder) {
  std::set<std::string> groups;
  std::string lines;
  for (const FactChange& change : changes) {
    if (std::find(accepted.begin(), accepted.end(), "all") != accepted.end()) continue;
    if (std::find(accepted.begin(), accepted.end(), change.group) != accepted.end()) continue;
    groups.insert(change.group);
    lines += fmt::format("\n  {} ({}): was {}, is {}", change.name, change.group,
                         change.was.empty() ? "nothing" : "'" + change.was + "'",
                         change.is.empty() ? "nothing" : "'" + change.is + "'");
  }
  if (groups.empty()) return std::nullopt;
  return Error{std::string(kRunChangedCode),
               fmt::format("the output folder {0} holds a run whose results would not be the "
                           "same:{1}\nNothing was touched. Put it back as it was; or go on all the "
                           "same with --accept-changes={2}, and what is done stays as it is; or "
                           "give this run a folder of its own, such as --set run.output={0}-2",
                           folder.string(), lines, fmt::join(groups, ","))};
}

}  // namespace flowtts
