#include <fmt/format.h>

#include "cli/describe.h"
#include "cli/stage_docs.h"

namespace flowtts::cli {
namespace {

/// A table's cell: no line breaks, no bare bars.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

std::string code(std::string_view text) {
  return text.empty() ? "" : fmt::format("`{}`", cell(text));
}

/// Values are set as code, words about them are not.
std::string standard(const ParamDoc& param) {
  const bool word = param.standard == "required" || param.standard == "none" ||
                    param.standard.find(' ') != std::string::npos;
  return word ? cell(param.standard) : code(param.standard);
}

std::string params_table(const std::vector<ParamDoc>& params) {
  std::string text = "| Parameter | Type | Default | Allowed | |\n|---|---|---|---|---|\n";
  for (const ParamDoc& param : params) {
    const std::string example =
        param.example.empty() ? "" : fmt::format(" Such as {}.", code(param.example));
    text += fmt::format("| `{}` | {} | {} | {} | {}{} |\n", param.name, param.type, standard(param),
                        cell(param.allowed), cell(param.doc), example);
  }
  return text;
}

std::string stage_section(const StageType& type) {
  std::string text = fmt::format("## {}\n\n{}\n\n", type.spec.name, type.spec.summary);
  text += fmt::format("*{} stage: {}*\n\n", kind_word(type.kind), flow_text(type));
  if (!type.spec.doc.empty()) text += type.spec.doc + "\n\n";
  const std::vector<ParamDoc> params = param_docs(type);
  text += params.empty() ? "It has no parameters.\n" : params_table(params);
  return text + fmt::format("\n```yaml\n{}```\n\n", example_yaml(type));
}

}  // namespace

std::string stages_markdown(const StageRegistry& registry) {
  std::string text =
      "# The stages\n\n"
      "<!-- Made by scripts/generate from the stages' own declarations; not edited by hand. -->\n\n"
      "What `flowtts describe STAGE` prints. A stage of a pipeline file has an `id`, a `type`, "
      "which\n"
      "is one of the names below, and under `with` the parameters of that type.\n\n"
      "| Stage | Kind | Takes -> makes | |\n|---|---|---|---|\n";
  const std::vector<const StageType*> types = stages_in_order(registry);
  for (const StageType* type : types) {
    text += fmt::format("| [{0}](#{0}) | {1} | {2} | {3} |\n", type->spec.name,
                        kind_word(type->kind), flow_text(*type), cell(type->spec.summary));
  }
  text += "\n";
  for (const StageType* type : types) text += stage_section(*type);
  text += "# The other keys of a pipeline file\n";
  for (const SettingsDoc& settings : settings_docs()) {
    text += fmt::format("\n## {}\n\n{}\n\n{}", settings.place, settings.summary,
                        params_table(settings.params));
  }
  return text;
}

}  // namespace flowtts::cli
