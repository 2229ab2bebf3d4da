#pragma once

#include <string>
#include <string_view>

#include <flowtts/registry.h>

namespace flowtts::cli {

/// The JSON schema (draft 7) of pipeline files that are made of these stages. It refuses what the
/// compiler refuses as far as a schema can; every value may also hold a `${variable}`.
std::string pipeline_schema(const StageRegistry& registry);

/// The same JSON, a member or item a line.
std::string indented_json(std::string_view json);

}  // namespace flowtts::cli
