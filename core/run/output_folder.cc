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

#include "core/atomic_file.h"
#include "core/json_value.h"
#include "core/line_file.h"
#include "core/sealed_line.h"

namespace flowtts {
namespace {

/// Of the run's own files: none of them can be done without.
Error fatal_error(std::string_view action, const std::filesystem::path& path, int code) {
  Error error = write_error(action, path, code);
  error.fatal = true;
  return error;
}

/// What stands in a folder, for the message that refuses it: a few names.
std::string contents_of(const std::filesystem::path& folder) {
  std::string names;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (++count > 4) return names + ", ...";
    names += (names.empty() ? "" : ", ") + entry.path().filename().string();
  }
  return names;
}

}  // namespace

std::optional<Error> output_objection(const std::filesystem::path& folder) {
  std::error_code status;
  if (!std::filesystem::exists(folder, status)) return std::nullopt;
  if (!std::filesystem::is_directory(folder, status)) {
    return Error{"output_not_a_folder",
                 fmt::format("the output {} is a file, expected a folder", folder.string())};
  }
  const bool empty = std::filesystem::is_empty(folder, status);
  if (status) return fatal_error("read the output folder", folder, status.value());
  if (empty || std::filesystem::exists(folder / OutputFolder::kJournal, status)) {
    return std::nullopt;
  }
  return Error{
      "output_not_empty",
      fmt::format("the output folder {} is not empty and holds no run to go on with: it "
                  "holds {}. Nothing in it was touched. Give this run a folder of its own, "
                  "such as --set run.output={}-2",
                  folder.string(), contents_of(folder), folder.string())};
}

Result<std::shared_ptr<OutputFolder>> OutputFolder::open(const std::filesystem::path& folder,
                                                         JournalContents& contents) {
  std::shared_ptr<OutputFolder> made(new OutputFolder(folder));
  try {
    if (auto objection = output_objection(folder)) return *objection;
    std::filesystem::create_directories(folder);
    if (auto error = made->lock()) return *error;
    if (auto objection = output_objection(folder)) return *objection;  // now that nobody else can
    if (auto error = made->open_files(contents)) return *error;
  } catch (const std::filesystem::filesystem_error& error) {
    return fatal_error("make the output folder", folder, error.code().value());
  }
  return made;
}

std::optional<Error> OutputFolder::lock() {
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) return fatal_error("open", path_, errno);
  // Where the file system knows no locks, there is none.
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return Error{"output_in_use",
                 fmt::format("the output folder {} is in use by another run", path_.string())};
  }
  return std::nullopt;
}

std::optional<Error> OutputFolder::open_files(JournalContents& contents) {
  // The journal is the first file that a folder has: by it the folder is known as a run's.
  auto journal = Journal::open(path_ / kJournal, contents);
  if (!journal.ok()) return journal.error();
  journal_ = std::move(*journal);
  if (auto error = sync_folder(path_.parent_path())) {
    error->fatal = true;
    return error;
  }
  std::filesystem::create_directories(path_ / "log");
  log_ =
      ::open((path_ / "log" / "run.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_ < 0) return fatal_error("create", path_ / "log" / "run.log", errno);
  return std::nullopt;
}

std::optional<Error> OutputFolder::open_failures(const DoneRecords& done) {
  const std::filesystem::path file = path_ / kFailures;
  const auto dropped = keep_lines(file, [&](std::string_view line) {
    const auto object = unseal_line(line);
    const auto index = object ? JsonValue::parse(*object)["index"].number() : std::nullopt;
    return index && done.find(*index);
  });
  if (!dropped.ok()) return dropped.error();
  failures_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (failures_ < 0) return fatal_error("create", file, errno);
  return sync_folder(path_);
}

OutputFolder::~OutputFolder() {
  for (const int file : {failures_, log_, lock_}) {
    if (file >= 0) ::close(file);
  }
}

std::optional<Error> OutputFolder::write_run_json(std::string_view json) {
  const std::string text = std::string(json) + '\n';
  auto error = write_file(path_ / "run.json", text, WriteMode{});
  if (error) error->fatal = true;
  return error;
}

std::optional<Error> OutputFolder::append_failure(std::string_view json_line) {
  const std::string line = seal_line(json_line) + '\n';
  const std::lock_guard lock(mutex_);
  const int failed = write_all(failures_, line);
  if (failed != 0) return fatal_error("write", path_ / kFailures, failed);
  return std::nullopt;
}

std::optional<Error> OutputFolder::sync_failures() {
  if (::fdatasync(failures_) != 0) return fatal_error("sync", path_ / kFailures, errno);
  return std::nullopt;
}

void OutputFolder::log(std::string_view line) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::string text = fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {}\n", fmt::gmtime(now), line);
  const std::lock_guard lock(mutex_);
  write_all(log_, text);  // a log that cannot be written is no reason to end a run
}

}  // namespace flowtts
