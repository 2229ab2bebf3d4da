#include "core/graph/layout.h"

#include <string>
#include <vector>

#include "tests/core/run/run_pipeline.h"

using namespace flowtts;
using namespace flowtts::testing;

TEST_CASE("a line is as long as one thread can follow an item") {
  struct Case {
    const char* why;
    std::vector<std::string> stages;
    std::string in_thread;  ///< The ids of those that go on in the thread before.
  };
  const std::string load = "id: load, type: numbers, with: {count: 1}";
  const std::string out = "id: out, type: collect";
  for (const Case& one : {
           Case{"maps, filters and a sink, whatever their concurrency",
                {load, "id: a, type: add", "id: m, type: multiples, concurrency: 3",
                 "id: n, type: count_calls", out},
                "m n out "},
           Case{"record filters inside, not those of the reader",
                {load, "id: e, type: every", "id: a, type: add", "id: f, type: every", out},
                "f out "},
           Case{"up to a stage that makes several, and behind it anew",
                {load, "id: a, type: add", "id: r, type: repeat", "id: b, type: add", out},
                "r out "},
           Case{"up to a stage with several followers, and behind it anew",
                {load, "id: a, type: add", "id: b, type: add", "id: c, type: add", out,
                 "id: also, type: collect, from: b"},
                "b out "},
           Case{"not at a stage that follows several",
                {load, "id: a, type: add", "id: b, type: add, from: load",
                 "id: out, type: collect, from: [a, b]"},
                ""},
           Case{"not from a device stage, its lanes or to one",
                {load, "id: a, type: add", "id: t, type: twice",
                 "id: l, type: judge, with: {in_lane: true}", "id: b, type: add", out},
                "out "},
           Case{"also back to a device stage",
                {load, "id: t, type: twice", "id: a, type: add", "id: j, type: judge", out},
                "j out "},
           Case{"not from a gather or to one",
                {load, "id: a, type: add", "id: all, type: together", "id: s, type: sum_up", out},
                "out "},
       }) {
    CAPTURE(one.why);
    std::string yaml = "flowtts: 1\nstages:\n";
    for (const std::string& stage : one.stages) yaml += "  - {" + stage + "}\n";
    const Pipeline pipeline = compile_or_throw(yaml);
    std::string in_thread;
    for (std::size_t i = 0; i < pipeline.stages().size(); ++i) {
      if (goes_on_in_thread(pipeline.stages(), i)) in_thread += pipeline.stages()[i].id + " ";
    }
    CHECK(in_thread == one.in_thread);
  }
}
