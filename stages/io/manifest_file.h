#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include <flowtts/result.h>

namespace flowtts {

/// A file of JSON lines that each start with `{"index":N,`, written in the order in which records
/// are settled and put in the order of their indices at the end. A line that is there is whole; the
/// piece of a line that a crash may have left at the end is removed when the file is opened again.
///
/// While it is open the file is locked: a second object, in this or another process, is refused.
/// Holds nothing of the lines in memory until `sort`, which needs 48 bytes for each. Thread-safe.
class ManifestFile {
 public:
  /// Makes the file or goes on with it. Errors: "write_failed"; "manifest_in_use".
  static Result<std::shared_ptr<ManifestFile>> open(const std::filesystem::path& path);
  ~ManifestFile();
  ManifestFile(const ManifestFile&) = delete;
  ManifestFile& operator=(const ManifestFile&) = delete;

  /// Appends `line` and a line break with one call to the system. After an error the file is as
  /// before.
  std::optional<Error> append(std::string_view line);

  /// Puts the lines in the order of their indices, equal ones as they stand, and makes the file
  /// last through a power cut. The file is replaced as a whole; after an error it is as before.
  /// Error "bad_manifest" where a line has no index. Call it last.
  std::optional<Error> sort();

 private:
  ManifestFile(std::filesystem::path path, int descriptor);
  std::optional<Error> prepare();

  const std::filesystem::path path_;
  std::mutex mutex_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

}  // namespace flowtts
