#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// A run's output folder and the files in it that core writes: `run.json`, `failures.jsonl`,
/// `log/run.log`. Nothing that was there before is changed.
///
/// Holds a lock on the folder from `create` to destruction. Thread-safe after `create`.
class OutputFolder {
 public:
  /// Makes the folder, or takes an empty one. A folder with anything in it is refused with what it
  /// holds; so is one that cannot be made or written, as a fatal Error.
  static Result<std::shared_ptr<OutputFolder>> create(const std::filesystem::path& folder);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Replaces run.json as a whole: synced under another name, then renamed.
  std::optional<Error> write_run_json(std::string_view json);
  /// Appends one line, with one write.
  std::optional<Error> append_failure(std::string_view json_line);
  void log(std::string_view line);

 private:
  explicit OutputFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::optional<Error> open_files();

  const std::filesystem::path path_;
  std::mutex mutex_;
  int lock_ = -1;
  int failures_ = -1;
  int log_ = -1;
};

}  // namespace flowtts
