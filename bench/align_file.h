#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <flowtts/pipeline.h>
#include <flowtts/run.h>

namespace flowtts::bench {

/// pipelines/align.yaml with other stages at its ends, so that what is measured in parts is the
/// pipeline that users run. Works on the file's text, in which each stage begins with "  - ".
/// What goes wrong ends the program.
class AlignFile {
 public:
  explicit AlignFile(const std::filesystem::path& file);

  /// Puts a line, as `{id: x, type: y}`, in the place of a stage and of all that come before it.
  void begin_with(const std::string& stage, const std::string& line);
  /// Puts a line in the place of a stage and of all that come after it.
  void end_with(const std::string& stage, const std::string& line);

  /// The pipeline, without an output folder.
  Pipeline compile(std::vector<std::string> overrides) const;

 private:
  std::size_t find(const std::string& stage) const;

  std::string file_;
  std::string head_;                 ///< All before the first stage.
  std::vector<std::string> stages_;  ///< The text of each.
};

/// Runs it to its end; an unsuccessful run ends the program.
RunReport run_to_end(Pipeline& pipeline, const RunOptions& options = {});

}  // namespace flowtts::bench
