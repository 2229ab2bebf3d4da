#include "stages/io/unsynced_files.h"

#include <set>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "core/atomic_file.h"

namespace flowtts {
namespace {

/// Lets the system begin to write the file out, so that the disk is not waited for one file at a
/// time. What goes wrong here is told by the sync.
void begin_write_out([[maybe_unused]] const std::filesystem::path& file) {
#ifdef SYNC_FILE_RANGE_WRITE
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
  ::close(descriptor);
#endif
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
  for (const std::filesystem::path& file : files) begin_write_out(file);
  std::set<std::filesystem::path> folders;
  for (const std::filesystem::path& file : files) {
    if (auto error = sync_file(file)) return error;
    folders.insert(file.parent_path());
  }
  for (const std::filesystem::path& folder : folders) {
    if (auto error = sync_folder(folder)) return error;
  }
  return std::nullopt;
}

}  // namespace flowtts
