#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <flowtts/registry.h>

namespace flowtts::cli {

/// What declarations say, as texts: what `describe` and docs/stages.md are written from.

/// "record filter"
std::string kind_word(StageKind kind);

/// "Sentence -> Phonemes"
std::string flow_text(const StageType& type);

/// Sources first, sinks last, each kind by name.
std::vector<const StageType*> stages_in_order(const StageRegistry& registry);

struct ParamDoc {
  std::string name;
  std::string type;      ///< "number"
  std::string standard;  ///< The default as YAML has it; "required", or "none" where it has none.
  std::string allowed;   ///< "0 to 1", "2 or more words", "wav or flac"; empty: any.
  std::string doc;
  std::string example;  ///< Empty where the author gave none.
};

/// \param object what the fields are members of, in its default state.
std::vector<ParamDoc> param_docs(std::span<const ParamInfo> params, void* object);
std::vector<ParamDoc> param_docs(const StageType& type);

/// A stage as it may stand in a pipeline file: the required parameters, or the first that has an
/// example.
std::string example_yaml(const StageType& type, std::size_t indent = 0);

/// Parameters that stand at one place of a pipeline file and belong to no stage type.
struct SettingsDoc {
  std::string topic;  ///< What `describe` calls them: "run".
  std::string place;  ///< "run", "run.on_error"
  std::string summary;
  std::vector<ParamDoc> params;
};

std::vector<SettingsDoc> settings_docs();

}  // namespace flowtts::cli
