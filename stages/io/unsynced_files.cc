#include "stages/io/unsynced_files.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "core/atomic_file.h"

namespace flowtts {
namespace {

/// How many files are synced at a time. A file system makes all files last together that are synced
/// while it commits, so that more at a time cost hardly more (bench/write_bench: seven times as many
/// files a second as one at a time).
constexpr std::size_t kAtOnce = 16;

using Sync = std::optional<Error> (*)(const std::filesystem::path&);

/// \return the first error; the rest is left then.
std::optional<Error> sync_all(const std::vector<std::filesystem::path>& paths, Sync sync) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::optional<Error> first;
  const auto work = [&] {
    for (std::size_t i = next++; i < paths.size() && !failed; i = next++) {
      auto error = sync(paths[i]);
      if (!error || failed.exchange(true)) continue;
      const std::lock_guard lock(mutex);
      first = std::move(error);
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < std::min(kAtOnce, paths.size()); ++i) threads.emplace_back(work);
  work();
  threads.clear();  // joins
  return first;
}

}  // namespace

void UnsyncedFiles::add(std::filesystem::path file) {
  const std::lock_guard lock(mutex_);
  files_.push_back(std::move(file));
}

std::optional<Error> UnsyncedFiles::sync() {
  std::vector<std::filesystem::path> files;
  {
    const std::lock_guard lock(mutex_);
    files = std::exchange(files_, {});
  }
  std::set<std::filesystem::path> folders;
  for (const std::filesystem::path& file : files) folders.insert(file.parent_path());
  if (auto error = sync_all(files, sync_file)) return error;
  return sync_all({folders.begin(), folders.end()}, sync_folder);
}

}  // namespace flowtts
