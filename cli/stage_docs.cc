#include "cli/stage_docs.h"

#include <algorithm>
#include <array>

#include <flowtts/diagnostics.h>
#include <flowtts/pipeline.h>
#include <fmt/format.h>

#include "core/config/params.h"

namespace flowtts::cli {
namespace {

constexpr std::array kKindOrder{StageKind::kSource, StageKind::kRecordFilter, StageKind::kFilter,
                                StageKind::kMap,    StageKind::kExpand,       StageKind::kDevice,
                                StageKind::kGather, StageKind::kSink};

std::size_t place_of(StageKind kind) {
  return static_cast<std::size_t>(std::find(kKindOrder.begin(), kKindOrder.end(), kind) -
                                  kKindOrder.begin());
}

std::string without_article(std::string_view type) {
  for (const std::string_view article : {"an ", "a "}) {
    if (type.starts_with(article)) return std::string(type.substr(article.size()));
  }
  return std::string(type);
}

std::string standard_text(const ParamInfo& param, const ParamField& field) {
  if (param.required) return "required";
  const std::string text = field_text(field);
  if (!text.empty()) return text;
  return std::holds_alternative<std::string*>(field) ? "''" : "none";
}

std::string bound_text(double bound, const ParamField& field) {
  if (!std::holds_alternative<ByteSize*>(field)) return fmt::format("{}", bound);
  return byte_size_text(static_cast<std::uint64_t>(bound));
}

std::string allowed_text(const ParamInfo& param, const ParamField& field) {
  if (!param.choices.empty()) return list_words(param.choices);
  const std::string least = param.minimum ? bound_text(*param.minimum, field) : "";
  const std::string most = param.maximum ? bound_text(*param.maximum, field) : "";
  std::string text;
  if (param.minimum && param.maximum) {
    text = fmt::format("{} to {}", least, most);
  } else if (param.minimum) {
    text = least + " or more";
  } else if (param.maximum) {
    text = most + " or less";
  }
  if (param.unit.empty()) return text;
  return text.empty() ? param.unit : text + " " + param.unit;
}

std::string example_value(const ParamInfo& param, const ParamField& field) {
  if (!param.example.empty()) return param.example;
  if (!param.choices.empty()) return param.choices.front();
  if (std::holds_alternative<std::filesystem::path*>(field)) return "FILE";
  if (param.minimum) return fmt::format("{}", *param.minimum);
  const std::string text = field_text(field);
  return text.empty() ? "TEXT" : text;
}

/// The keys that every stage of a pipeline file may have. The compiler reads them one by one, so
/// their declarations are here; a test holds them against those that it knows.
std::vector<ParamDoc> stage_keys_docs() {
  return {
      {"id", "text", "the type", "letters, digits and _",
       "The stage's name, unlike that of any other stage of the file.", "split"},
      {"type", "text", "required", "", "What it is: a name that 'flowtts stages' lists.",
       "split_sentences"},
      {"from", "text or list of texts", "the stage above", "",
       "The ids of the stages that it takes its items from.", "[clean, load]"},
      {"concurrency", "integer", "1", "1 to 1024, or auto",
       "How many threads work on it at once; auto is one for each core. Not for device stages.",
       "2"},
      {"devices", "text or list of texts", "auto", "auto, cpu, cpu:N, cuda or cuda:N",
       "Of a device stage: where it works. auto is every GPU, or the CPU where there is none. "
       "Of a map that can run in a device stage's lanes: auto does so where it can, cpu does not.",
       "[cuda:0, cuda:1]"},
      {"lanes", "integer", "auto", "1 to 64, or auto",
       "Of a device stage: threads that feed each device.", "2"},
      {"batch", "map", "", "", "Of a device stage: how batches are made; see batch.",
       "{max_items: 64}"},
      {"recycle", "map", "", "",
       "Of a device stage: when a device loads it anew, for models that hold ever more memory; "
       "see recycle.",
       "{after_batches: 10000}"},
      {"with", "map", "", "", "The parameters of the stage's type.", "{max_words: 40}"}};
}

}  // namespace

std::string kind_word(StageKind kind) {
  std::string word(stage_kind_name(kind));
  std::replace(word.begin(), word.end(), '_', ' ');
  return word;
}

std::string flow_text(const StageType& type) {
  if (type.kind == StageKind::kRecordFilter) return "any";
  if (!type.in) return fmt::format("-> {}", type.out->name);
  if (!type.out) return fmt::format("{} ->", type.in->name);
  if (type.in == type.out) return std::string(type.in->name);
  return fmt::format("{} -> {}", type.in->name, type.out->name);
}

std::vector<const StageType*> stages_in_order(const StageRegistry& registry) {
  std::vector<const StageType*> types = registry.all();
  std::stable_sort(types.begin(), types.end(), [](const StageType* a, const StageType* b) {
    return place_of(a->kind) < place_of(b->kind);
  });
  return types;
}

std::vector<ParamDoc> param_docs(std::span<const ParamInfo> params, void* object) {
  std::vector<ParamDoc> docs;
  for (const ParamInfo& param : params) {
    const ParamField field = param.field(object);
    docs.push_back({param.name, without_article(field_type(field)), standard_text(param, field),
                    allowed_text(param, field), param.doc, param.example});
  }
  return docs;
}

std::vector<ParamDoc> param_docs(const StageType& type) {
  const std::unique_ptr<AnyStage> stage = type.make();
  return param_docs(type.spec.params, stage->object());
}

std::string example_yaml(const StageType& type, std::size_t indent) {
  const std::unique_ptr<AnyStage> stage = type.make();
  const auto& params = type.spec.params;
  const bool any_required = std::any_of(params.begin(), params.end(),
                                        [](const ParamInfo& param) { return param.required; });
  std::string with;
  for (const ParamInfo& param : params) {
    const bool shown = any_required ? param.required : !param.example.empty() && with.empty();
    if (!shown) continue;
    with += fmt::format("{}{}: {}", with.empty() ? "" : ", ", param.name,
                        example_value(param, param.field(stage->object())));
  }
  const std::string before(indent, ' ');
  std::string yaml = fmt::format("{}- type: {}\n", before, type.spec.name);
  if (!with.empty()) yaml += fmt::format("{}  with: {{{}}}\n", before, with);
  return yaml;
}

std::vector<SettingsDoc> settings_docs() {
  RunSettings run;
  BatchSettings batch;
  RecycleSettings recycle;
  return {
      {"run", "run", "The settings of a run as a whole.", param_docs(run_params(), &run)},
      {"run", "run.on_error", "What happens when items fail.", param_docs(on_error_params(), &run)},
      {"stage", "stages[]", "What every stage of a pipeline file may have.", stage_keys_docs()},
      {"batch", "batch", "How a device stage's batches are made.",
       param_docs(batch_params(), &batch)},
      {"recycle", "recycle", "When a device loads a device stage anew.",
       param_docs(recycle_params(), &recycle)}};
}

}  // namespace flowtts::cli
