// The compiler of pipeline files. What stands behind the first NUL byte are `--set` arguments, one
// a line. Whatever the text: there is a pipeline or an error that says where; and what took effect
// compiles to the same again.
#include <optional>
#include <vector>

#include <flowtts/pipeline.h>

#include "core/utf8.h"
#include "tests/core/test_stages.h"
#include "tests/fuzz/fuzz.h"

using namespace flowtts;

namespace {

struct Compiled {
  std::optional<Pipeline> pipeline;
  Diagnostics found;
};

Compiled compile(std::string_view text, std::vector<std::string> overrides) {
  Pipeline::Options options;
  options.registry = &flowtts::testing::gpu_test_registry();
  options.overrides = std::move(overrides);
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "HOME") return "/home";
    return std::nullopt;
  };
  options.gpus = [] { return std::vector<DeviceInfo>{{{DeviceKind::kCuda, 0}, "GPU", 0, 0}}; };
  Compiled compiled;
  compiled.pipeline = Pipeline::parse(text, "x.yaml", options, compiled.found);
  FUZZ_CHECK(compiled.pipeline.has_value() == !compiled.found.has_errors());
  for (const Diagnostic& one : compiled.found.sorted()) {
    FUZZ_CHECK(!one.message.empty());
    FUZZ_CHECK(one.text().find('\n') == std::string::npos);
    FUZZ_CHECK(valid_utf8_prefix(one.text()) == one.text().size());
  }
  return compiled;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = flowtts::fuzz::text_of(data, size);
  const std::size_t nul = std::min(input.find('\0'), input.size());
  const std::string_view arguments = input.substr(std::min(nul + 1, input.size()));
  const Compiled first = compile(input.substr(0, nul), lines_of(arguments));
  if (!first.pipeline) return 0;
  FUZZ_CHECK(valid_utf8_prefix(first.pipeline->config_json()) ==
             first.pipeline->config_json().size());
  if (first.pipeline->config_json().find("${") != std::string::npos) return 0;
  const Compiled again = compile(first.pipeline->config_json(), {});
  FUZZ_CHECK(again.pipeline.has_value());
  FUZZ_CHECK(again.pipeline->config_json() == first.pipeline->config_json());
  FUZZ_CHECK(again.pipeline->stages().size() == first.pipeline->stages().size());
  return 0;
}
