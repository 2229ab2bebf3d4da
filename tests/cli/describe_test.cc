#include "cli/describe.h"

#include <doctest/doctest.h>

#include "cli/stage_docs.h"
#include "core/config/overrides.h"
#include "core/config/params.h"
#include "tests/cli/test_stages.h"

using namespace flowtts;
using namespace flowtts::cli;

TEST_CASE("a stage is described with its parameters' types, ranges, defaults and an example") {
  CHECK(description("weigh", test::registry(), 60, false) ==
        "weigh: device stage, Reading\n"
        "\n"
        "Weighs readings.\n"
        "\n"
        "Slowly.\n"
        "\n"
        "But | surely.\n"
        "\n"
        "Parameters (with:)\n"
        "  factor\n"
        "      Times this.\n"
        "      number, 0 to 1; default 0.5\n"
        "  most\n"
        "      The most.\n"
        "      integer, 2 or more words; default 40; such as 12\n"
        "  strict\n"
        "      Whether it is strict.\n"
        "      true or false; default true\n"
        "  unit\n"
        "      In which unit.\n"
        "      text, kg or lb; default kg\n"
        "  label\n"
        "      A name | or none.\n"
        "      text; default ''\n"
        "  room\n"
        "      How much room.\n"
        "      size in bytes, 1KiB or more; default 1MiB\n"
        "  roles\n"
        "      Whose.\n"
        "      text or a list of texts; default [human]\n"
        "  limit\n"
        "      The end.\n"
        "      number; default none\n"
        "\n"
        "Example\n"
        "  - type: weigh\n"
        "    with: {most: 12}\n");
  CHECK(description("forget", test::registry(), 60, false).find("Parameters (with:)\n  none\n") !=
        std::string::npos);
}

TEST_CASE("the settings of a run are described under their own names, and nothing else is") {
  CHECK(description("run", test::registry(), 80, false).find("run.on_error: ") !=
        std::string::npos);
  CHECK(description("batch", test::registry(), 80, false).find("  max_items\n") !=
        std::string::npos);
  CHECK(description("stage", test::registry(), 80, false).find("  concurrency\n") !=
        std::string::npos);
  CHECK(description("wiegh", test::registry(), 80, false).empty());
  CHECK(topics(test::registry()) == std::vector<std::string>{"forget", "read_gauge", "weigh", "run",
                                                             "stage", "batch", "recycle"});
}

TEST_CASE("the keys of a stage that are documented are those that the compiler knows") {
  const auto known = stage_keys();
  std::vector<std::string> documented;
  for (const SettingsDoc& settings : settings_docs()) {
    if (settings.topic != "stage") continue;
    for (const ParamDoc& key : settings.params) documented.push_back(key.name);
  }
  CHECK(documented == std::vector<std::string>(known.begin(), known.end()));
}

TEST_CASE("the Markdown has a section for each stage, and no bar breaks its tables") {
  const std::string text = stages_markdown(test::registry());
  for (const char* part :
       {"| [read_gauge](#read_gauge) | source | -> Reading | Reads a gauge. |",
        "## weigh\n\nWeighs readings.\n\n*device stage: Reading*\n\nSlowly.",
        "| `path` | path | required |  | Its file. |",
        "| `most` | integer | `40` | 2 or more words | The most. Such as `12`. |",
        "| `label` | text | `''` |  | A name \\| or none. |",
        "```yaml\n- type: read_gauge\n  with: {path: FILE}\n```", "It has no parameters.",
        "## run.on_error", "## batch"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("the example of every built-in stage is one that its declarations accept") {
  for (const StageType* type : StageRegistry::global().all()) {
    CAPTURE(type->spec.name);
    Diagnostics diagnostics;
    const auto list = yaml::parse(example_yaml(*type), "example", diagnostics);
    REQUIRE(list);
    REQUIRE(list->items.size() == 1);
    const yaml::Entry* with = list->items[0]->find("with");
    read_params(with ? with->value.get() : nullptr, type->spec.params, type->make()->object(), {},
                type->spec.name, diagnostics);
    for (const Diagnostic& one : diagnostics.sorted()) FAIL_CHECK(one.text());
  }
}
