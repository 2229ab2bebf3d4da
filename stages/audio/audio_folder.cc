#include "stages/audio/audio_folder.h"

#include <cerrno>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "core/atomic_file.h"
#include "stages/io/hash.h"

namespace flowtts {
namespace {

/// The folders that are open in this program, with their extensions.
class Claims {
 public:
  static Claims& global() {
    static Claims claims;
    return claims;
  }
  bool take(const std::string& claim) {
    const std::lock_guard lock(mutex_);
    return taken_.insert(claim).second;
  }
  void give_back(const std::string& claim) {
    const std::lock_guard lock(mutex_);
    taken_.erase(claim);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> taken_;
};

std::optional<Error> make_folder(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0777) == 0) return sync_folder(path.parent_path());
  return errno == EEXIST ? std::nullopt
                         : std::optional<Error>(write_error("make the folder", path, errno));
}

}  // namespace

std::string folder_objection(std::string_view folder) {
  const std::filesystem::path path(folder);
  if (folder.empty()) return "is empty; a folder name such as 'audio' is expected";
  if (path.is_absolute()) return "is absolute; a path below the output folder is expected";
  for (const std::filesystem::path& part : path) {
    if (part == "..") return "has '..' in it; a path below the output folder is expected";
  }
  return "";
}

AudioFolder::AudioFolder(std::filesystem::path root, std::string folder, std::string claim)
    : root_(std::move(root)), folder_(std::move(folder)), claim_(std::move(claim)) {}

AudioFolder::~AudioFolder() { Claims::global().give_back(claim_); }

Result<std::shared_ptr<AudioFolder>> AudioFolder::open(const std::filesystem::path& root,
                                                       const std::string& folder,
                                                       std::string_view extension) {
  const std::filesystem::path below = std::filesystem::path(folder).lexically_normal();
  std::error_code ignored;
  const std::string claim = std::filesystem::weakly_canonical(root / below, ignored).string() +
                            "|" + std::string(extension);
  if (!Claims::global().take(claim)) {
    return Error{"folder_in_use",
                 fmt::format("another stage writes {} files into '{}' already; give one of them "
                             "another 'folder'",
                             extension, folder)};
  }
  std::shared_ptr<AudioFolder> opened(new AudioFolder(root, below.generic_string(), claim));
  std::filesystem::path path = root;
  for (const std::filesystem::path& part : below) {
    path /= part;
    if (const std::optional<Error> error = make_folder(path)) return *error;
  }
  return opened;
}

Result<std::string> AudioFolder::subfolder(std::string_view key) {
  const auto number = static_cast<std::size_t>(hash64(key) >> 56U);
  const std::string name = fmt::format("{}/{:02x}", folder_, number);
  const std::lock_guard lock(mutex_);
  if (!made_[number]) {
    if (const std::optional<Error> error = make_folder(root_ / name)) return *error;
    made_[number] = true;
  }
  return name;
}

}  // namespace flowtts
