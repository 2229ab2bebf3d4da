#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/pipeline.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/config/params.h"
#include "tests/core/config/cases.h"
#include "tests/core/test_stages.h"

/// Data cases: `cases/<name>.yaml` with what is to be said of it in `cases/<name>.expected`: the
/// diagnostics, or the compiled plan. Lines at the top of the YAML file give what else was asked:
///
///     # --set add.by=3
///     # env NAME=value
///     # gpus 2
///
/// FLOWTTS_UPDATE_EXPECTED=1 writes the .expected files anew; read what changed before committing.
namespace {

using namespace flowtts;
using flowtts::testing::case_files;
using flowtts::testing::content_of;
namespace fs = std::filesystem;

Pipeline::Options options_of(const std::string& yaml) {
  Pipeline::Options options;
  std::map<std::string, std::string> environment;
  int gpus = 0;
  std::istringstream lines(yaml);
  for (std::string line; std::getline(lines, line) && line.starts_with("# ");) {
    line.erase(0, 2);
    if (line.starts_with("--set ")) options.overrides.push_back(line.substr(6));
    if (line.starts_with("gpus ")) gpus = std::stoi(line.substr(5));
    if (const auto equals = line.find('='); line.starts_with("env ") && equals != line.npos) {
      environment[line.substr(4, equals - 4)] = line.substr(equals + 1);
    }
  }
  options.registry = &flowtts::testing::gpu_test_registry();
  options.environment = [=](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  options.gpus = [=] {
    std::vector<DeviceInfo> devices;
    for (int i = 0; i < gpus; ++i) devices.push_back({{DeviceKind::kCuda, i}, "Test GPU", 0, 0});
    return devices;
  };
  return options;
}

std::string params_text(const std::vector<ParamInfo>& params, void* object) {
  std::vector<std::string> parts;
  for (const ParamInfo& param : params) {
    if (param.name.starts_with("fault")) continue;
    parts.push_back(fmt::format("{}={}", param.name, field_text(param.field(object))));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string plan_text(Pipeline& pipeline) {
  RunSettings settings = pipeline.settings();
  std::string text =
      fmt::format("pipeline {}: {}, {}\n", pipeline.name(), params_text(run_params(), &settings),
                  params_text(on_error_params(), &settings));
  for (PipelineStage& stage : pipeline.stages()) {
    text += fmt::format("{} ({})", stage.id, stage.type->spec.name);
    for (const std::size_t from : stage.from) text += " <- " + pipeline.stages()[from].id;
    text += fmt::format(", concurrency {}", stage.concurrency);
    if (stage.in_reader) text += ", in the reader";
    if (!stage.devices.empty()) {
      std::vector<std::string> devices;
      for (const DeviceId device : stage.devices) devices.push_back(device.text());
      text += fmt::format(", on {}, lanes {}, batch {}", fmt::join(devices, " "), stage.lanes,
                          params_text(batch_params(), &stage.batch));
    }
    const std::string params = params_text(stage.type->spec.params, stage.stage->object());
    text += (params.empty() ? "" : ": " + params) + "\n";
    for (const std::string& note : stage.notes) text += "  note: " + note + "\n";
  }
  return text + "config " + pipeline.config_json() + "\n";
}

/// What the compiler says of a case, one line each; paths are the file's name alone.
std::string outcome_of(const fs::path& file) {
  Diagnostics found;
  const std::string yaml = content_of(file);
  std::optional<Pipeline> pipeline =
      Pipeline::parse(yaml, file.filename().string(), options_of(yaml), found);
  CHECK(pipeline.has_value() == !found.has_errors());
  std::string text;
  for (const Diagnostic& one : found.sorted()) text += one.text() + "\n";
  if (pipeline) text += plan_text(*pipeline);
  return text;
}

}  // namespace

TEST_CASE("every pipeline file among the cases gets exactly the findings or the plan it should") {
  const std::vector<fs::path> files = case_files();
  REQUIRE(files.size() > 50);
  const bool update = std::getenv("FLOWTTS_UPDATE_EXPECTED") != nullptr;
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    CAPTURE(name);
    const fs::path expected = fs::path(file).replace_extension(".expected");
    const std::string outcome = outcome_of(file);
    if (update) std::ofstream(expected, std::ios::binary) << outcome;
    REQUIRE(fs::exists(expected));
    CHECK(outcome == content_of(expected));
  }
}
