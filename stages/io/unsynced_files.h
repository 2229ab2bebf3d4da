#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <vector>

#include <flowtts/result.h>

namespace flowtts {

/// Files that have been written and do not yet last through a power cut, for a stage's `commit`,
/// which syncs many of them at a time.
///
/// `add` from any thread; `sync` from one.
class UnsyncedFiles {
 public:
  void add(std::filesystem::path file);

  /// Syncs what has been added before the call, then the folders that hold it. Threads of its own,
  /// while it lasts.
  std::optional<Error> sync();

 private:
  std::mutex mutex_;
  std::vector<std::filesystem::path> files_;
};

}  // namespace flowtts
