#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/config/compiler.h"

/// The second half of the compiler: how the stages hang together.
namespace flowtts {
namespace {

bool contains(const std::vector<std::size_t>& list, std::size_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

void PipelineCompiler::connect() {
  for (std::size_t i = 0; i < pipeline_.stages_.size(); ++i) connect_stage(i);
  for (std::size_t i = 0; i < pipeline_.stages_.size(); ++i) {
    for (const std::size_t from : pipeline_.stages_[i].from) {
      pipeline_.stages_[from].followers.push_back(i);
    }
  }
}

void PipelineCompiler::connect_stage(std::size_t index) {
  PipelineStage& stage = pipeline_.stages_[index];
  const bool source = stage.type && stage.type->kind == StageKind::kSource;
  const yaml::Entry* from = nodes_[index]->find("from");
  if (!from) {
    if (!source && index > 0) stage.from.push_back(index - 1);
    return;
  }
  if (source) {
    error(
        from->where, "misplaced-key",
        fmt::format("{}: a source makes the records itself, so it has no 'from'", name_of(stage)));
    return;
  }
  std::vector<yaml::NodePtr> names{from->value};
  if (from->value->is_list()) names = from->value->items;
  if (names.empty()) {
    edges_known_ = false;
    error(from->value->where, "wrong-type",
          fmt::format("{}: 'from' is empty, expected a stage's id or a list of them",
                      name_of(stage)));
  }
  for (const yaml::NodePtr& name : names) {
    const auto found = find_stage(*name, index);
    if (!found) continue;
    if (contains(stage.from, *found)) {
      error(name->where, "duplicate-from",
            fmt::format("{}: 'from' names '{}' twice", name_of(stage), name->text));
    } else {
      stage.from.push_back(*found);
    }
  }
}

std::optional<std::size_t> PipelineCompiler::find_stage(const yaml::Node& name,
                                                        std::size_t asking) {
  const PipelineStage& stage = pipeline_.stages_[asking];
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < pipeline_.stages_.size(); ++i) {
    const std::string& id = pipeline_.stages_[i].id;
    if (id.empty()) continue;
    if (name.is_scalar() && id == name.text) return i;
    if (i != asking && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  edges_known_ = false;
  if (name.faulty) return std::nullopt;
  error(name.where, "unknown-from",
        fmt::format("{}: 'from' names {}, which is no stage; there is {}{}", name_of(stage),
                    name.describe(), ids.empty() ? "no other" : list_words(ids),
                    did_you_mean(name.text, ids)));
  return std::nullopt;
}

std::vector<std::size_t> PipelineCompiler::flow_order() {
  const auto& stages = pipeline_.stages_;
  std::vector<std::size_t> missing(stages.size());
  std::vector<std::size_t> order;
  const auto settle = [&](std::size_t index) {
    missing[index] = 0;
    order.push_back(index);
  };
  for (std::size_t i = 0; i < stages.size(); ++i) {
    missing[i] = stages[i].from.size();
    if (missing[i] == 0) order.push_back(i);
  }
  for (std::size_t next = 0; order.size() < stages.size() || next < order.size(); ++next) {
    if (next == order.size()) {
      std::vector<std::size_t> unsettled;
      for (std::size_t i = 0; i < stages.size(); ++i) {
        if (missing[i] > 0) unsettled.push_back(i);
      }
      for (const std::size_t index : report_cycle(unsettled)) settle(index);
    }
    for (const std::size_t follower : stages[order[next]].followers) {
      if (missing[follower] == 1) {
        settle(follower);
      } else if (missing[follower] > 1) {
        missing[follower] -= 1;
      }
    }
  }
  return order;
}

std::vector<std::size_t> PipelineCompiler::report_cycle(const std::vector<std::size_t>& unsettled) {
  // Every unsettled stage has an unsettled predecessor: walking back must come round.
  std::vector<std::size_t> walk{unsettled.front()};
  auto meets = walk.end();
  do {
    const auto& from = pipeline_.stages_[walk.back()].from;
    const std::size_t before = *std::find_if(
        from.begin(), from.end(), [&](std::size_t index) { return contains(unsettled, index); });
    walk.push_back(before);
    meets = std::find(walk.begin(), walk.end() - 1, before);
  } while (meets == walk.end() - 1);
  std::vector<std::size_t> circle(meets, walk.end() - 1);
  std::reverse(circle.begin(), circle.end());
  std::rotate(circle.begin(), std::min_element(circle.begin(), circle.end()), circle.end());
  std::vector<std::string> chain;
  for (const std::size_t index : circle) chain.push_back(pipeline_.stages_[index].id);
  chain.push_back(chain.front());
  error(pipeline_.stages_[circle.front()].where, "cycle",
        fmt::format("the stages go round in a circle: {}", fmt::join(chain, " -> ")));
  return circle;
}

void PipelineCompiler::check_sources() {
  const PipelineStage* first = nullptr;
  bool all_known = true;
  for (const PipelineStage& stage : pipeline_.stages_) {
    all_known = all_known && stage.type;
    if (!stage.type || stage.type->kind != StageKind::kSource) continue;
    if (first) {
      error(stage.where, "several-sources",
            fmt::format("{}: a pipeline has one source; the first is '{}' at {}:{}", name_of(stage),
                        first->id, first->where.line, first->where.column));
    } else {
      first = &stage;
    }
  }
  if (!first && all_known && !pipeline_.stages_.empty()) {
    std::vector<std::string> names;
    for (const StageType* type : options_.registry->all()) {
      if (type->kind == StageKind::kSource) names.push_back(type->spec.name);
    }
    error(pipeline_.stages_.front().where, "no-source",
          fmt::format("no stage makes records; begin with a source: {}", list_words(names)));
  }
}

void PipelineCompiler::check_ends() {
  for (std::size_t i = 0; i < pipeline_.stages_.size(); ++i) {
    const PipelineStage& stage = pipeline_.stages_[i];
    if (!stage.type) continue;
    // What only lets records through leaves nothing behind, whatever its spec says.
    const bool passes =
        stage.type->kind == StageKind::kSource || stage.type->kind == StageKind::kRecordFilter;
    const bool ends = stage.type->kind == StageKind::kSink || (stage.type->spec.may_end && !passes);
    if (stage.followers.empty() && !ends && edges_known_) {
      error(stage.where, "dead-end",
            fmt::format("{}: leads nowhere: nothing takes what it makes; let a stage follow, or "
                        "end with one that writes",
                        name_of(stage)));
    }
    if (i == 0 && stage.type->kind != StageKind::kSource && !nodes_[0]->find("from")) {
      error(
          stage.where, "no-predecessor",
          fmt::format("{}: stands first and is no source, so nothing reaches it", name_of(stage)));
    }
  }
}

void PipelineCompiler::check_types(const std::vector<std::size_t>& order) {
  for (const std::size_t index : order) {
    PipelineStage& stage = pipeline_.stages_[index];
    if (!stage.type) continue;
    stage.in = stage.type->in;
    stage.out = stage.type->out;
    for (const std::size_t from : stage.from) {
      const PipelineStage& before = pipeline_.stages_[from];
      if (!before.type) continue;
      if (before.type->kind == StageKind::kSink) {
        error(stage.where, "type-mismatch",
              fmt::format("{}: follows {}, which is a sink and passes nothing on", name_of(stage),
                          name_of(before)));
        continue;
      }
      if (!before.out) continue;             // the fault lies further up and is reported there
      if (!stage.in) stage.in = before.out;  // a record filter takes what comes
      if (stage.in->name != before.out->name) {
        error(stage.where, "type-mismatch",
              fmt::format("{}: takes {}, but {} makes {}", name_of(stage), stage.in->name,
                          name_of(before), before.out->name));
      }
    }
    if (stage.type->kind == StageKind::kRecordFilter) stage.out = stage.in;
  }
}

void PipelineCompiler::place_record_filters() {
  // From the source on: as long as one record filter alone follows, the source itself can ask it.
  std::size_t at = 0;
  while (pipeline_.stages_[at].type->kind != StageKind::kSource) ++at;
  while (pipeline_.stages_[at].followers.size() == 1) {
    at = pipeline_.stages_[at].followers.front();
    PipelineStage& stage = pipeline_.stages_[at];
    if (stage.type->kind != StageKind::kRecordFilter || stage.from.size() != 1) break;
    stage.in_reader = true;
  }
  for (const PipelineStage& stage : pipeline_.stages_) {
    if (stage.in_reader || !stage.stage->needs_scan()) continue;
    error(stage.where, "misplaced-stage",
          fmt::format("{}: looks at all records before the first one goes on, so it must stand "
                      "directly behind the source and be its only follower",
                      name_of(stage)));
  }
}

void PipelineCompiler::place_lane_maps() {
  for (PipelineStage& stage : pipeline_.stages_) {
    if (stage.type->kind != StageKind::kDevice) continue;
    // From the device stage on: as long as one map alone follows that has a form for its devices.
    PipelineStage* before = &stage;
    while (before->followers.size() == 1) {
      PipelineStage& next = pipeline_.stages_[before->followers.front()];
      const auto has_form = [&](DeviceId device) { return next.stage->runs_in_lane(device); };
      if (next.from.size() != 1 || next.on_host || !next.type->has_lane_form ||
          !std::all_of(stage.devices.begin(), stage.devices.end(), has_form)) {
        break;
      }
      next.in_lane = true;
      before = &next;
    }
  }
}

std::optional<std::vector<std::size_t>> PipelineCompiler::way_back(std::size_t from,
                                                                   std::string& why) const {
  std::vector<std::size_t> way;
  for (std::size_t at = from;;) {
    const PipelineStage& stage = pipeline_.stages_[at];
    if (stage.from.size() != 1) {
      why = fmt::format("'{}' follows several stages", stage.id);
      return std::nullopt;
    }
    at = stage.from.front();
    const PipelineStage& before = pipeline_.stages_[at];
    const StageKind kind = before.type->kind;
    if (kind == StageKind::kSource || kind == StageKind::kGather) {
      why = fmt::format("'{}' makes its items, and is no device stage", before.id);
    } else if (before.followers.size() > 1) {
      why = fmt::format("what '{}' makes goes to other stages as well", before.id);
    } else if (kind == StageKind::kExpand) {
      why = fmt::format("'{}' makes several items of one", before.id);
    }
    if (!why.empty()) return std::nullopt;
    way.push_back(at);
    if (kind == StageKind::kDevice) return way;
  }
}

void PipelineCompiler::place_retakes() {
  for (std::size_t i = 0; i < pipeline_.stages_.size(); ++i) {
    PipelineStage& stage = pipeline_.stages_[i];
    if (!stage.type->spec.may_retake || pipeline_.settings_.retakes == 0) continue;
    std::string why;
    if (const auto way = way_back(i, why)) {
      stage.retaken_at = way->back();
      for (const std::size_t on_it : *way) pipeline_.stages_[on_it].may_come_back = true;
      continue;
    }
    if (stage.type->spec.seldom_retakes) continue;
    // Without a device stage before it all is as it should be; with one, perhaps not.
    std::vector<std::size_t> before = stage.from;
    bool device = false;
    for (std::size_t k = 0; k < before.size(); ++k) {
      const PipelineStage& one = pipeline_.stages_[before[k]];
      device = device || one.type->kind == StageKind::kDevice;
      for (const std::size_t from : one.from) {
        if (!contains(before, from)) before.push_back(from);
      }
    }
    if (device) {
      diagnostics_.warning(
          stage.where, "no-retake",
          fmt::format("{}: what it rejects fails at once, without another take: {}; there is a way "
                      "back where it follows a device stage with only maps and filters between, "
                      "each the only follower of the one before",
                      name_of(stage), why));
    } else {
      stage.notes.push_back(
          "what it rejects fails at once: no device stage before it could make "
          "another take");
    }
  }
}

void PipelineCompiler::estimate_growth(const std::vector<std::size_t>& order) {
  for (auto index = order.rbegin(); index != order.rend(); ++index) {
    PipelineStage& stage = pipeline_.stages_[*index];
    double most = 0;  // of all followers together: each holds what it works on
    for (const std::size_t follower : stage.followers) {
      const PipelineStage& next = pipeline_.stages_[follower];
      const double growth = next.out ? next.stage->growth() : 0;  // a sink makes nothing
      if (next.in_reader) {
        most += next.growth_after;
      } else if (next.in_lane) {  // what it takes never comes to the host
        most += growth * next.growth_after;
      } else if (next.type->kind == StageKind::kFilter) {  // passes on what it was given
        most += next.growth_after;
      } else {  // while a stage works, what it takes and what it makes are there at once
        const bool kept = next.type->kind == StageKind::kDevice && next.may_come_back;
        most += std::max(1.0 + growth, (kept ? 1.0 : 0.0) + growth * next.growth_after);
      }
    }
    stage.growth_after = std::max(1.0, most);
  }
}

}  // namespace flowtts
