#include "stages/neural/worker/load_lock.h"

#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

namespace flowtts {
namespace {

/// Models that have been loaded by this process.
class Loaded {
 public:
  static Loaded& global() {
    static Loaded instance;
    return instance;
  }
  bool has(const std::string& model) {
    const std::lock_guard lock(mutex_);
    return models_.contains(model);
  }
  void add(const std::string& model) {
    const std::lock_guard lock(mutex_);
    models_.insert(model);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> models_;
};

/// In the folder for temporary files, by user, so that nobody else's lock is in the way.
std::filesystem::path lock_file(const std::filesystem::path& model) {
  std::error_code ignored;
  const std::string name = std::filesystem::weakly_canonical(model, ignored).string();
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path(ignored) / fmt::format("flowtts-{}", ::getuid());
  std::filesystem::create_directories(folder, ignored);
  return folder / fmt::format("load-{:016x}.lock", XXH3_64bits(name.data(), name.size()));
}

}  // namespace

LoadLock::LoadLock(const std::filesystem::path& model, const std::stop_token& stop)
    : file_(lock_file(model)) {
  descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  while (!stop.stop_requested()) {
    alone_ = !Loaded::global().has(file_.string());  // perhaps since the last look
    if (descriptor_ < 0 || ::flock(descriptor_, (alone_ ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) {
      held_ = true;
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

LoadLock::~LoadLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void LoadLock::loaded() { Loaded::global().add(file_.string()); }

}  // namespace flowtts
