#include <fmt/format.h>

#include "cli/command.h"
#include "cli/stage_docs.h"
#include "cli/terminal.h"
#include "cli/text.h"

namespace flowtts::cli {
namespace {

int list_stages() {
  Table table({"stage", "kind", "takes -> makes", "summary"});
  for (const StageType* type : stages_in_order(StageRegistry::global())) {
    table.add({type->spec.name, kind_word(type->kind), flow_text(*type), type->spec.summary});
  }
  fmt::print("{}\nflowtts describe STAGE prints a stage's parameters.\n",
             table.text(Terminal(stdout).colour(), 0));
  return 0;
}

std::function<int()> prepare(Options&) { return list_stages; }

}  // namespace

const Command kStagesCommand{"stages", "", "List the stages that a pipeline can be made of.", "",
                             prepare};

}  // namespace flowtts::cli
