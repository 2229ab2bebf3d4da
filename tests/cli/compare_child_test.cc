#include "cli/compare_child.h"

#include <string>

#include <doctest/doctest.h>

namespace flowtts::cli {
namespace {

TEST_CASE("what a child tells of its voice is understood as it was meant") {
  CompareOutcome told;
  told.problem = "the model \"a\\b\"\ncannot be loaded";
  told.refused = true;
  told.host_bytes = 5'000'000'000;
  const CompareOutcome heard = outcome_of_child(outcome_json(told) + "\n", 0, 0, false);
  CHECK(heard.problem == told.problem);
  CHECK(heard.refused);
  CHECK(heard.host_bytes == told.host_bytes);
  CHECK(outcome_of_child(outcome_json({}), 0, 0, false).problem.empty());
}

TEST_CASE("a child that tells nothing is the voice's problem") {
  struct Case {
    std::string output;
    int status, signal;
    bool interrupted;
    std::string problem;
  };
  const Case cases[] = {
      {"", 139, 11, false, "its process was ended by signal 11 (Segmentation fault)"},
      {"{\"problem\": \"\", \"refu", 137, 9, false, "its process was ended by signal 9 (Killed)"},
      {"", 3, 0, false, "its process ended with status 3 before its run did"},
      {"", 0, 0, false, "its process ended with status 0 before its run did"},
      {"", 143, 15, true, "interrupted"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.output);
    const CompareOutcome outcome =
        outcome_of_child(each.output, each.status, each.signal, each.interrupted);
    CHECK(outcome.problem == each.problem);
    CHECK_FALSE(outcome.refused);
    CHECK(outcome.host_bytes == 0);
  }
}

}  // namespace
}  // namespace flowtts::cli
