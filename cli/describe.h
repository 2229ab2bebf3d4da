#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <flowtts/registry.h>

namespace flowtts::cli {

/// What can be described: the stage types, then run, stage and batch.
std::vector<std::string> topics(const StageRegistry& registry);

/// A topic's description for a terminal; empty where there is no such topic.
std::string description(std::string_view topic, const StageRegistry& registry, std::size_t width,
                        bool colour);

/// docs/stages.md, whole.
std::string stages_markdown(const StageRegistry& registry);

}  // namespace flowtts::cli
