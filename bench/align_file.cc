#include "bench/align_file.h"

#include <cstdio>
#include <fstream>
#include <utility>

#include "bench/arguments.h"

namespace flowtts::bench {

AlignFile::AlignFile(const std::filesystem::path& file) : file_(file.string()) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("  - ")) stages_.emplace_back();
    (stages_.empty() ? head_ : stages_.back()) += line + '\n';
  }
  if (stages_.empty()) give_up(file_ + ": cannot be read, or has no stages");
}

std::size_t AlignFile::find(const std::string& stage) const {
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const std::size_t at = stages_[i].find("id: " + stage);
    if (at != std::string::npos && stages_[i].find_first_of(",}\n", at) == at + 4 + stage.size()) {
      return i;
    }
  }
  give_up(file_ + ": there is no stage '" + stage + "'");
}

void AlignFile::begin_with(const std::string& stage, const std::string& line) {
  stages_.erase(stages_.begin(), stages_.begin() + static_cast<std::ptrdiff_t>(find(stage)));
  stages_.front() = "  - " + line + '\n';
}

void AlignFile::end_with(const std::string& stage, const std::string& line) {
  stages_.resize(find(stage) + 1);
  stages_.back() = "  - " + line + '\n';
}

Pipeline AlignFile::compile(std::vector<std::string> overrides) const {
  std::string text = head_;
  for (const std::string& stage : stages_) text += stage;
  Pipeline::Options options;
  options.overrides = std::move(overrides);
  options.overrides.emplace_back("run.output=null");
  Diagnostics diagnostics;
  auto pipeline = Pipeline::parse(text, file_, options, diagnostics);
  if (pipeline) return *std::move(pipeline);  // That a variable is not used is no surprise here.
  for (const auto& found : diagnostics.sorted()) std::fprintf(stderr, "%s\n", found.text().c_str());
  give_up(file_ + ": cannot be compiled with the stages that are measured");
}

RunReport run_to_end(Pipeline& pipeline, const RunOptions& options) {
  RunReport report = run(pipeline, options);
  if (report.error) give_up(report.error->message);
  if (report.status != RunStatus::kSucceeded) {
    give_up(std::to_string(report.records.failed) + " of " + std::to_string(report.records.read) +
            " records failed");
  }
  return report;
}

}  // namespace flowtts::bench
