// Runs a pipeline file from a C++ program, through the public headers only.
//
//   embedding PIPELINE.yaml [--set's argument]...
#include <cstdio>
#include <string>

#include <flowtts/pipeline.h>
#include <flowtts/run.h>

namespace {

struct Printer final : flowtts::RunObserver {
  void message(flowtts::MessageLevel, const std::string& text) override {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s PIPELINE.yaml [NAME.KEY=VALUE]...\n", argv[0]);
    return 2;
  }
  flowtts::Pipeline::Options options;
  options.overrides.assign(argv + 2, argv + argc);
  flowtts::Diagnostics diagnostics;
  auto pipeline = flowtts::Pipeline::read(argv[1], options, diagnostics);
  for (const auto& found : diagnostics.sorted()) std::fprintf(stderr, "%s\n", found.text().c_str());
  if (!pipeline) return 2;

  Printer printer;
  flowtts::RunOptions run_options;
  run_options.observer = &printer;
  const flowtts::RunReport report = flowtts::run(*pipeline, run_options);
  std::printf("%llu records: %llu written, %llu filtered, %llu failed; %.1f s of audio\n",
              static_cast<unsigned long long>(report.records.read),
              static_cast<unsigned long long>(report.records.written),
              static_cast<unsigned long long>(report.records.filtered),
              static_cast<unsigned long long>(report.records.failed), report.media_seconds);
  return static_cast<int>(report.status);
}
