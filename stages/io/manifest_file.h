#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include <flowtts/result.h>
#include <flowtts/stage_base.h>

namespace flowtts {

/// A file of sealed JSON lines (core/sealed_line.h) that each start with `{"index":N,`, written in
/// the order in which records are settled and put in the order of their indices at the end.
///
/// While it is open the file is locked: a second object, in this or another process, is refused.
/// Holds nothing of the lines in memory until `sort`, which needs 48 bytes for each. Thread-safe.
class ManifestFile {
 public:
  /// Makes the file or goes on with it: what a crash has left of a line at its end goes, and so do
  /// lines that are not whole or belong to records that are not done. A record that is done and has
  /// no line is done again. Errors: "write_failed"; "manifest_in_use".
  /// \param earlier null: all whole lines stay.
  static Result<std::shared_ptr<ManifestFile>> open(const std::filesystem::path& path,
                                                    EarlierSessions* earlier = nullptr);
  ~ManifestFile();
  ManifestFile(const ManifestFile&) = delete;
  ManifestFile& operator=(const ManifestFile&) = delete;

  /// Appends `line` and a line break with one call to the system. After an error the file is as
  /// before.
  std::optional<Error> append(std::string_view line);

  /// What has been appended lasts through a power cut once this returns.
  std::optional<Error> sync();

  /// Puts the lines in the order of their indices, of equal ones the last, and makes the file last
  /// through a power cut. The file is replaced as a whole; after an error it is as before. Error
  /// "bad_manifest" where a line has no index. Call it last.
  std::optional<Error> sort();

 private:
  ManifestFile(std::filesystem::path path, int descriptor);

  const std::filesystem::path path_;
  std::mutex mutex_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

/// The index that a line of a manifest begins with.
std::optional<std::uint64_t> manifest_index(std::string_view line);

}  // namespace flowtts
