#include "cli/plan.h"

#include <doctest/doctest.h>

#include "tests/cli/test_stages.h"

using namespace flowtts;
using namespace flowtts::cli;

namespace {

std::string plan_of(std::string_view yaml) {
  Pipeline::Options options;
  options.registry = &test::registry();
  options.gpus = [] {
    std::vector<DeviceInfo> gpus;
    for (const int index : {0, 1, 2}) gpus.push_back({{DeviceKind::kCuda, index}, "GPU", 0, 0});
    return gpus;
  };
  Diagnostics diagnostics;
  const auto pipeline = Pipeline::parse(yaml, "gauge.yaml", options, diagnostics);
  for (const Diagnostic& one : diagnostics.sorted()) MESSAGE(one.text());
  REQUIRE(pipeline);
  return plan_text(*pipeline, false);
}

}  // namespace

TEST_CASE("devices that follow one another are written as a range") {
  const auto cuda = [](int index) { return DeviceId{DeviceKind::kCuda, index}; };
  CHECK(list_devices({{DeviceKind::kCpu, 0}}) == "cpu:0");
  CHECK(list_devices({cuda(2), cuda(0), cuda(1)}) == "cuda:0-2");
  CHECK(list_devices({cuda(0), cuda(2)}) == "cuda:0, cuda:2");
  CHECK(list_devices({cuda(1), {DeviceKind::kCpu, 0}}) == "cpu:0, cuda:1");
}

TEST_CASE("the plan says what runs where and in how much memory") {
  CHECK(plan_of("flowtts: 1\n"
                "name: gauge\n"
                "run: {seed: 7, max_in_flight: 32, memory_limit: 2GiB}\n"
                "stages:\n"
                "  - {id: read, type: read_gauge, with: {path: here}}\n"
                "  - {type: weigh, lanes: 2, batch: {max_items: 8}}\n"
                "  - {id: drop, type: forget, concurrency: 2}\n") ==
        "gauge (gauge.yaml)\n"
        "\n"
        "  stage  type        takes -> makes  runs on             batch, wait\n"
        "  read   read_gauge  -> Reading      the reader\n"
        "  weigh  weigh       Reading         cuda:0-2 x 2 lanes  8 items, 20 ms\n"
        "  drop   forget      Reading ->      2 threads\n"
        "  weigh: weighs in kg\n"
        "\n"
        "  output:         none: the run writes no files of its own\n"
        "  seed:           7\n"
        "  host memory:    at most 2GiB of payloads (run.memory_limit) and 32 records "
        "(run.max_in_flight)\n"
        "  device memory:  cuda:0-2: about 3MiB; no limit (run.device_memory_limit)\n"
        "  failed records: 0 tolerated (run.on_error.max_failed)\n");
}

TEST_CASE("a graph that is no chain says what follows what, and unknown needs are called so") {
  const std::string plan = plan_of(
      "flowtts: 1\n"
      "run: {device_memory_limit: 1GiB}\n"
      "stages:\n"
      "  - {id: read, type: read_gauge, with: {path: here}}\n"
      "  - {id: one, type: weigh, devices: cuda:0, with: {strict: false}}\n"
      "  - {id: two, type: weigh, devices: [cuda:0, cuda:1], from: read}\n"
      "  - {id: drop, type: forget, from: [one, two]}\n");
  CHECK(plan.find("drop   forget      one, two  Reading ->") != std::string::npos);
  CHECK(plan.find("cuda:0: about 33MiB, and what one needs, which is not known") !=
        std::string::npos);
  CHECK(plan.find("cuda:1: about 33MiB") != std::string::npos);
  CHECK(plan.find("; limited to 1GiB (run.device_memory_limit)") != std::string::npos);
}
