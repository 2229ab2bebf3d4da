#include "core/run/output_folder.h"

#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace flowtts {
namespace {

Error system_error(std::string_view action, const std::filesystem::path& path, int code) {
  Error error{"output_failed", fmt::format("cannot {} {}: {}", action, path.string(),
                                           std::generic_category().message(code))};
  error.fatal = true;
  return error;
}

/// Writes all of it, going on after interruptions and short writes. 0, or errno.
int write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

/// What stands in a folder, for the message that refuses it: a few names.
std::string contents(const std::filesystem::path& folder) {
  std::string names;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (++count > 4) return names + ", ...";
    names += (names.empty() ? "" : ", ") + entry.path().filename().string();
  }
  return names;
}

std::optional<Error> sync_folder(const std::filesystem::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return system_error("open", folder, errno);
  const int failed = ::fsync(file) == 0 ? 0 : errno;
  ::close(file);
  if (failed != 0) return system_error("sync", folder, failed);
  return std::nullopt;
}

}  // namespace

Result<std::shared_ptr<OutputFolder>> OutputFolder::create(const std::filesystem::path& folder) {
  try {
    std::error_code status;
    if (std::filesystem::exists(folder, status) && !std::filesystem::is_directory(folder)) {
      return Error{"output_not_a_folder",
                   fmt::format("the output {} is a file, expected a folder", folder.string())};
    }
    if (std::filesystem::is_directory(folder) && !std::filesystem::is_empty(folder)) {
      return Error{"output_not_empty",
                   fmt::format("the output folder {} is not empty: it holds {}. Nothing in it was "
                               "touched. Give this run a folder of its own, such as --set "
                               "run.output={}-2",
                               folder.string(), contents(folder), folder.string())};
    }
    std::filesystem::create_directories(folder / "log");
  } catch (const std::filesystem::filesystem_error& error) {
    return system_error("make the output folder", folder, error.code().value());
  }
  std::shared_ptr<OutputFolder> made(new OutputFolder(folder));
  if (auto error = made->open_files()) return *error;
  return made;
}

std::optional<Error> OutputFolder::open_files() {
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) return system_error("open", path_, errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return Error{"output_in_use",
                 fmt::format("the output folder {} is in use by another run", path_.string())};
  }
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  failures_ = ::open((path_ / "failures.jsonl").c_str(), flags, 0644);
  if (failures_ < 0) return system_error("create", path_ / "failures.jsonl", errno);
  log_ = ::open((path_ / "log" / "run.log").c_str(), flags, 0644);
  if (log_ < 0) return system_error("create", path_ / "log" / "run.log", errno);
  return std::nullopt;
}

OutputFolder::~OutputFolder() {
  for (const int file : {failures_, log_, lock_}) {
    if (file >= 0) ::close(file);
  }
}

std::optional<Error> OutputFolder::write_run_json(std::string_view json) {
  const std::lock_guard lock(mutex_);
  const std::filesystem::path target = path_ / "run.json";
  const std::filesystem::path draft = path_ / "run.json.part";
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return system_error("create", draft, errno);
  int failed = write_all(file, json);
  if (failed == 0) failed = write_all(file, "\n");
  if (failed == 0 && ::fsync(file) != 0) failed = errno;
  if (::close(file) != 0 && failed == 0) failed = errno;
  if (failed != 0) return system_error("write", draft, failed);
  if (::rename(draft.c_str(), target.c_str()) != 0) return system_error("write", target, errno);
  return sync_folder(path_);
}

std::optional<Error> OutputFolder::append_failure(std::string_view json_line) {
  const std::string line = std::string(json_line) + '\n';
  const std::lock_guard lock(mutex_);
  const int failed = write_all(failures_, line);
  if (failed != 0) return system_error("write", path_ / "failures.jsonl", failed);
  return std::nullopt;
}

void OutputFolder::log(std::string_view line) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::string text = fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {}\n", fmt::gmtime(now), line);
  const std::lock_guard lock(mutex_);
  write_all(log_, text);  // a log that cannot be written is no reason to end a run
}

}  // namespace flowtts
