#include <doctest/doctest.h>
#include <flowtts/pipeline.h>
#include <flowtts/testing.h>

#include "tests/core/test_stages.h"

/// A device stage that chooses its device runtime itself.
using namespace flowtts;
using namespace flowtts::testing;

namespace {

struct Chooses final : DeviceStage<Num, Num> {
  std::string on;
  bool throws = false;

  static void describe(Spec<Chooses>& spec) {
    spec.name("chooses").summary("Works where it is told to.");
    spec.param("on", &Chooses::on, "The runtime.").required();
    spec.param("throws", &Chooses::throws, "Whether asking throws.");
    spec.runtime("as_declared");
  }
  std::string runtime() const {
    if (throws) throw std::runtime_error("do not ask");
    return on;
  }
  std::size_t length(const Num&) const { return 1; }
  std::vector<Result<Num>> process_batch(std::span<const BatchItem<Num>> batch,
                                         DeviceContext&) const {
    std::vector<Result<Num>> made;
    for (const auto& [number, item] : batch) made.emplace_back(Num{number.value + 1});
    return made;
  }
};

const StageRegistry& registry() {
  static const StageRegistry* made = [] {
    auto* stages = new StageRegistry;
    stages->add(make_stage_type<Numbers>());
    stages->add(make_stage_type<Chooses>());
    stages->add(make_stage_type<Twice>());
    stages->add(make_stage_type<Collect>());
    return stages;
  }();
  return *made;
}

struct Compiled {
  std::optional<Pipeline> pipeline;
  std::string problems;
};

/// A pipeline with that device stage, on a machine with two GPUs.
Compiled compile(const std::string& stage) {
  Pipeline::Options options;
  options.registry = &registry();
  options.gpus = [] {
    return std::vector<DeviceInfo>{{{DeviceKind::kCuda, 0}, "A", 0, 0},
                                   {{DeviceKind::kCuda, 1}, "B", 0, 0}};
  };
  Diagnostics found;
  Compiled compiled;
  compiled.pipeline = Pipeline::parse(
      "flowtts: 1\nstages:\n  - {id: load, type: numbers, with: {count: 3}}\n  - {" + stage +
          "}\n  - {id: out, type: collect}\n",
      "file.yaml", options, found);
  for (const Diagnostic& one : found.sorted()) compiled.problems += one.text() + "\n";
  return compiled;
}

}  // namespace

TEST_CASE("the runtime of a device stage is its own, or else its type's") {
  const auto runtime_of = [](const std::string& stage) {
    Compiled compiled = compile(stage);
    REQUIRE(compiled.problems == "");
    return compiled.pipeline->stages().at(1).runtime;
  };
  CHECK(runtime_of("type: chooses, with: {on: some_gpus}") == "some_gpus");
  CHECK(runtime_of("type: chooses, with: {on: host}") == "host");
  CHECK(runtime_of("type: chooses, with: {on: ''}") == "as_declared");
  CHECK(runtime_of("type: twice") == "host");
  CHECK(runtime_of("type: chooses, with: {on: host, throws: true}") == "as_declared");
  CHECK(compile("type: twice").pipeline->stages().at(0).runtime.empty());
}

TEST_CASE("what `devices: auto` means follows from the runtime that the stage chose") {
  const auto devices_of = [](const std::string& on) {
    Compiled compiled = compile("type: chooses, with: {on: " + on + "}");
    REQUIRE(compiled.problems == "");
    std::string names;
    for (const DeviceId id : compiled.pipeline->stages().at(1).devices) names += id.text() + " ";
    return names;
  };
  CHECK(devices_of("some_gpus") == "cuda:0 cuda:1 ");
  CHECK(devices_of("host") == "cpu:0 ");
}

TEST_CASE("a GPU for a stage that works on CPUs alone is refused by name") {
  for (const std::string device : {"cuda", "cuda:1"}) {
    CHECK(compile("type: chooses, with: {on: host}, devices: [cpu, " + device + "]").problems ==
          "file.yaml:4:48: error[bad-device]: stage 'chooses' (chooses): 'devices': found '" +
              device +
              "', and as it is configured this stage works on CPUs alone; allowed are auto, cpu "
              "and cpu:N\n");
  }
  CHECK(compile("type: chooses, with: {on: some_gpus}, devices: cuda:1").problems == "");
}

TEST_CASE("a stage whose parameters are wrong is not asked") {
  const Compiled compiled =
      compile("type: chooses, with: {throws: maybe, on: host}, devices: cuda");
  CHECK(compiled.problems.find("'throws'") != std::string::npos);
  CHECK(compiled.problems.find("bad-device") == std::string::npos);
}

TEST_CASE("a stage runs on the runtime that it chose") {
  const StageRunner::Options options{&registry(), {}, 0};
  StageRunner chosen("type: chooses\nwith: {on: host}", options);
  const auto made = chosen.process_batch<Num>(std::vector<Num>{{4}});
  REQUIRE(made.size() == 1);
  REQUIRE(made[0].ok());
  CHECK(made[0]->value == 5);

  StageRunner declared("type: chooses\nwith: {on: ''}", options);
  const auto failed = declared.process_batch<Num>(std::vector<Num>{{4}});
  REQUIRE(failed[0].is_error());
  CHECK(failed[0].error().message.find("unknown device runtime 'as_declared'") !=
        std::string::npos);
}
