#include <fmt/format.h>

#include "cli/command.h"
#include "cli/schema.h"

namespace flowtts::cli {
namespace {

std::function<int()> prepare(Options&) {
  return [] {
    fmt::print("{}", pipeline_schema(StageRegistry::global()));
    return 0;
  };
}

}  // namespace

const Command kSchemaCommand{
    "schema", "", "Print the JSON schema of pipeline files, for editors.",
    R"(An editor with the YAML language server completes and checks a pipeline file that begins with
  # yaml-language-server: $schema=../configs/pipeline.schema.json
)",
    prepare};

}  // namespace flowtts::cli
