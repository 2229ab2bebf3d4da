#pragma once

#include <span>
#include <string>

#include "core/config/yaml_tree.h"

namespace flowtts {

/// Applies `--set` arguments to a pipeline file's tree, before variables are put in:
/// `vars.NAME=VALUE`, `run.KEY=VALUE`, `STAGE.KEY=VALUE` for the stage's own keys (concurrency,
/// lanes, devices, ...) and for its parameters; keys may go deeper (`STAGE.batch.max_items=8`).
/// VALUE is read as YAML, so `[cuda:0, cuda:1]` is a list; `null` takes a value back to its default,
/// and nothing at all is an empty text. Findings are placed at the argument.
yaml::NodePtr apply_overrides(yaml::NodePtr root, std::span<const std::string> overrides,
                              Diagnostics& diagnostics);

/// The keys that a stage has beside its parameters.
std::span<const std::string> stage_keys();

}  // namespace flowtts
