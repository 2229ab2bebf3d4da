#include "core/run/journal.h"

#include <cerrno>
#include <charconv>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <flowtts/json.h>
#include <flowtts/run.h>

#include "core/atomic_file.h"
#include "core/json_value.h"
#include "core/line_file.h"
#include "core/sealed_line.h"

namespace flowtts {
namespace {

constexpr int kFormatVersion = 1;

// --- writing
// ---------------------------------------------------------------------------------------

using Counts = std::vector<std::pair<std::string, std::uint32_t>>;

void write_counts(JsonWriter& json, std::string_view name, const Counts& counts) {
  if (counts.empty()) return;
  json.key(name).begin_object();
  for (const auto& [what, times] : counts) json.field(what, times);
  json.end_object();
}

void write_if_any(JsonWriter& json, std::string_view name, std::uint32_t number) {
  if (number > 0) json.field(name, number);
}

std::string_view status_name(Ending status) {
  switch (status) {
    case Ending::kWritten:
      return "written";
    case Ending::kFiltered:
      return "filtered";
    default:
      return "failed";
  }
}

std::string line_of(const DoneRecord& record) {
  JsonWriter json;
  json.begin_object()
      .field("record", record.index)
      .field("content", fmt::format("{:016x}", record.content_hash))
      .field("status", status_name(record.status));
  write_if_any(json, "written", record.items.written);
  write_if_any(json, "filtered", record.items.filtered);
  write_if_any(json, "failed", record.items.failed);
  if (record.items.media_seconds > 0) json.field("seconds", record.items.media_seconds);
  write_counts(json, "filtered_by", record.items.filtered_by);
  write_counts(json, "failed_by", record.items.failed_by);
  json.end_object();
  return seal_line(json.text()) + '\n';
}

// --- reading
// ---------------------------------------------------------------------------------------

std::optional<std::uint64_t> hexadecimal(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Ending> status_of(std::string_view name) {
  for (const Ending status : {Ending::kWritten, Ending::kFiltered, Ending::kFailed}) {
    if (name == status_name(status)) return status;
  }
  return std::nullopt;
}

std::uint32_t count_of(const JsonValue& json) {
  return static_cast<std::uint32_t>(json.number().value_or(0));
}

Counts counts_of(const JsonValue& json) {
  Counts counts;
  for (const auto& [name, times] : json.members()) counts.emplace_back(name, count_of(times));
  return counts;
}

std::optional<DoneRecord> record_of(const JsonValue& line) {
  const auto index = line["record"].number();
  const auto content = hexadecimal(line["content"].text().value_or(""));
  const auto status = status_of(line["status"].text().value_or(""));
  if (!index || !content || !status) return std::nullopt;
  DoneRecord record{*index, *content, *status, {}};
  record.items.written = count_of(line["written"]);
  record.items.filtered = count_of(line["filtered"]);
  record.items.failed = count_of(line["failed"]);
  record.items.media_seconds = line["seconds"].real().value_or(0);
  record.items.filtered_by = counts_of(line["filtered_by"]);
  record.items.failed_by = counts_of(line["failed_by"]);
  return record;
}

JournalSession session_of(const JsonValue& line) {
  JournalSession session;
  session.number = line["session"].number().value_or(1);
  session.started = line["started"].text().value_or("");
  session.directory = line["directory"].text().value_or("");
  session.file = line["file"].text().value_or("");
  session.config_json = line["config"].json();
  session.identity = RunIdentity::read(line["identity"]);
  return session;
}

/// Takes in one whole line. False where it says nothing that is known.
bool take_line(const JsonValue& line, JournalContents& contents) {
  if (auto record = record_of(line)) {
    contents.done.add(*std::move(record));
    return true;
  }
  if (line["session"]) {
    contents.session = session_of(line);
    contents.end.reset();
    return true;
  }
  if (const JsonValue redo = line["redo"]) {
    for (std::size_t i = 0; i < redo.size(); ++i) {
      contents.done.remove(redo.at(i).number().value_or(0));
    }
    contents.end.reset();
    return true;
  }
  if (const auto read = line["end"].number()) {
    contents.end = JournalEnd{*read, {}};
    for (const auto& [stage, count] : line["filtered_records"].members()) {
      contents.end->filtered_records[stage] = count.number().value_or(0);
    }
    return true;
  }
  return false;
}

/// Reads lines one after the other and notes which of them are no good.
class Reader {
 public:
  Reader(const std::filesystem::path& path, JournalContents& contents)
      : path_(path), contents_(contents) {}

  /// What stands behind the last line break.
  void read_torn(std::uint64_t bytes) {
    note(
        fmt::format("the last line of {} was not written out: {} bytes behind line {} do not count",
                    path_.string(), bytes, number_));
  }

  /// \return whether the line is to stay in the file.
  bool read(std::string_view line) {
    number_ += 1;
    if (line.empty()) return true;
    const auto object = unseal_line(line);
    if (object && take_line(JsonValue::parse(*object), contents_)) return true;
    note(fmt::format("line {} of {} is damaged; a record that it named is done again", number_,
                     path_.string()));
    return false;
  }

 private:
  void note(std::string text) { contents_.damage.push_back(std::move(text)); }

  const std::filesystem::path& path_;
  JournalContents& contents_;
  std::uint64_t number_ = 0;
};

/// Without a journal nothing can be known as done: whatever is wrong with it ends the run.
Error without_it(Error error) {
  error.fatal = true;
  return error;
}

}  // namespace

bool JournalContents::complete() const {
  if (!end) return false;
  std::uint64_t known = done.size();
  for (const auto& [stage, count] : end->filtered_records) known += count;
  return known == end->read;
}

Result<JournalContents> read_journal(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return Error{"no_journal",
                 fmt::format("there is no {}: no run has written here", path.string())};
  }
  JournalContents contents;
  Reader reader(path, contents);
  const auto error = for_each_line(path, [&](std::string_view line, bool ended) {
    if (ended) {
      reader.read(line);
    } else {
      reader.read_torn(line.size());
    }
  });
  if (error) return *error;
  return contents;
}

Result<std::unique_ptr<Journal>> Journal::open(const std::filesystem::path& path,
                                               JournalContents& contents) {
  // First of all the file is there, for good: by it a folder is known as a run's.
  const int made = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (made < 0) return without_it(write_error("create", path, errno));
  ::close(made);
  if (auto error = sync_folder(path.parent_path())) return without_it(*error);

  Reader reader(path, contents);
  const auto dropped = keep_lines(path, [&](std::string_view line) { return reader.read(line); });
  if (!dropped.ok()) return without_it(dropped.error());
  if (dropped->torn_bytes > 0) reader.read_torn(dropped->torn_bytes);
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor < 0) return without_it(write_error("open", path, errno));
  return std::unique_ptr<Journal>(new Journal(path, descriptor));
}

Journal::~Journal() { ::close(descriptor_); }

std::optional<Error> Journal::append_lines(std::string_view lines) {
  int failed = write_all(descriptor_, lines);
  if (failed == 0 && ::fdatasync(descriptor_) != 0) failed = errno;
  if (failed == 0) return std::nullopt;
  return without_it(write_error("append to", path_, failed));
}

std::optional<Error> Journal::append(const JournalSession& session) {
  JsonWriter json;
  json.begin_object()
      .field("session", session.number)
      .field("journal", kFormatVersion)
      .field("started", session.started)
      .field("directory", session.directory)
      .field("file", session.file);
  json.key("config").raw(session.config_json);
  json.key("identity");
  session.identity.write(json);
  json.end_object();
  const std::string line = seal_line(json.text()) + '\n';
  return append_lines(line + '\n' + line);
}

std::optional<Error> Journal::append(std::span<const DoneRecord> records) {
  std::string lines;
  for (const DoneRecord& record : records) lines += line_of(record);
  return append_lines(lines);
}

std::optional<Error> Journal::append_redo(std::span<const std::uint64_t> indexes) {
  JsonWriter json;
  json.begin_object().key("redo").begin_array();
  for (const std::uint64_t index : indexes) json.value(index);
  json.end_array().end_object();
  return append_lines(seal_line(json.text()) + '\n');
}

std::optional<Error> Journal::append(const JournalEnd& end) {
  JsonWriter json;
  json.begin_object().field("end", end.read).key("filtered_records").begin_object();
  for (const auto& [stage, count] : end.filtered_records) json.field(stage, count);
  json.end_object().end_object();
  return append_lines(seal_line(json.text()) + '\n');
}

}  // namespace flowtts
