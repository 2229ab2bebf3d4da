#include "stages/io/conversation_reader.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "stages/io/byte_window.h"
#include "stages/io/id_table.h"
#include "stages/io/record_end.h"
#include "stages/io/record_walk.h"

namespace flowtts {
namespace {

using Entry = ConversationReader::Entry;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string describe_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte < 0x7F ? fmt::format("'{}'", c)
                                    : fmt::format("the byte 0x{:02x}", byte);
}

struct Signature {
  std::string_view bytes;
  std::string_view code;
  std::string_view what;
};

constexpr std::array<Signature, 6> kSignatures{{
    {"\x1F\x8B", "compressed", "is compressed with gzip; unpack it first"},
    {"\x28\xB5\x2F\xFD", "compressed", "is compressed with zstd; unpack it first"},
    {"PK\x03\x04", "compressed", "is a zip archive; unpack it first"},
    {"PAR1", "not_json", "is a Parquet file; JSON is expected"},
    {"\xFF\xFE", "not_utf8", "is UTF-16; convert it to UTF-8 first"},
    {"\xFE\xFF", "not_utf8", "is UTF-16; convert it to UTF-8 first"},
}};

}  // namespace

class ConversationReader::Impl {
 public:
  Impl(ByteWindow window, std::string path, Options options)
      : window_(std::move(window)),
        path_(std::move(path)),
        options_(options),
        walk_({options.depth, options.turns}) {}

  std::optional<Error> begin();
  std::optional<Entry> next(const KeepFn& keep);

  std::uint64_t skipped() const { return skipped_; }
  std::uint64_t records() const { return records_; }
  std::uint64_t offset() const { return window_.offset(); }
  const std::optional<Error>& failure() const { return window_.failure(); }

 private:
  Error file_error(std::string_view code, std::string_view what) const;
  bool has_byte() { return window_.size() != 0 || window_.fill(); }
  void pass_byte();
  bool pass_separator();
  bool seek_record();
  std::optional<Entry> read_record(const KeepFn& keep);
  RecordWalk::End walk();
  std::optional<Entry> take_record(const KeepFn& keep);
  Entry start_entry();
  Entry fail(Error error, std::size_t error_offset, std::string id);
  RecordEnd::Found pass_broken_record();
  std::string opening();
  RecordEnd::Start describe_start();
  std::optional<Entry> report_open_array();

  ByteWindow window_;
  std::string path_;
  Options options_;
  RecordWalk walk_;
  IdTable ids_;

  bool in_array_ = true;
  bool closed_ = false;  // The array's `]` was the last thing that was read.
  bool finished_ = false;
  bool line_start_ = true;  // Only white space since the start of the line.
  std::size_t indent_ = 0;  // How much of it.
  std::string opening_;     // That of the first conversation.
  std::uint64_t records_ = 0;
  std::uint64_t skipped_ = 0;
};

Error ConversationReader::Impl::file_error(std::string_view code, std::string_view what) const {
  return Error{std::string(code), fmt::format("'{}' {}", path_, what)};
}

std::optional<Error> ConversationReader::Impl::begin() {
  while (window_.size() < 16 && window_.fill()) {
  }
  if (failure()) return failure();
  const std::string_view head(window_.data(), window_.size());
  for (const Signature& signature : kSignatures) {
    if (head.starts_with(signature.bytes)) return file_error(signature.code, signature.what);
  }
  if (head.starts_with(kByteOrderMark)) window_.consume(kByteOrderMark.size());
  while (has_byte() && is_space(*window_.data())) pass_byte();
  if (failure()) return failure();
  if (window_.size() == 0) {
    return file_error("empty_file", "is empty; a JSON array or JSON Lines is expected");
  }
  const char first = *window_.data();
  in_array_ = first == '[';
  if (in_array_) pass_byte();
  if (in_array_ || first == '{') return std::nullopt;
  return file_error("not_json", fmt::format("starts with {}; a JSON array ('[') or JSON Lines "
                                            "('{{') is expected",
                                            describe_byte(first)));
}

void ConversationReader::Impl::pass_byte() {
  const char c = *window_.data();
  if (c == '\n') {
    line_start_ = true;
    indent_ = 0;
  } else if (is_space(c)) {
    ++indent_;
  } else {
    line_start_ = false;
  }
  window_.consume(1);
}

// Whether the next byte stands between records; if so, it is passed.
bool ConversationReader::Impl::pass_separator() {
  const char c = *window_.data();
  if (is_space(c) || c == ',') {
    pass_byte();
    return true;
  }
  const bool bracket = in_array_ && (c == ']' || (c == '[' && closed_));
  if (!bracket) return false;
  closed_ = c == ']';
  pass_byte();
  return true;
}

bool ConversationReader::Impl::seek_record() {
  while (has_byte()) {
    if (!pass_separator()) return true;
  }
  return false;
}

std::optional<Entry> ConversationReader::Impl::next(const KeepFn& keep) {
  while (!finished_) {
    if (!seek_record()) {
      finished_ = true;
      return report_open_array();
    }
    closed_ = false;
    std::optional<Entry> entry = read_record(keep);
    if (entry) return entry;
  }
  return std::nullopt;
}

std::optional<Entry> ConversationReader::Impl::report_open_array() {
  if (!in_array_ || closed_ || failure()) return std::nullopt;
  Entry entry = start_entry();
  entry.conversation =
      Error{"truncated", fmt::format("the file ends at byte {} without the list's closing ']'; "
                                     "records may be missing",
                                     window_.offset())};
  return entry;
}

RecordWalk::End ConversationReader::Impl::walk() {
  for (;;) {
    const RecordWalk::End end = walk_.walk(window_.data(), window_.size(), window_.at_end());
    if (end != RecordWalk::End::kIncomplete || window_.size() > options_.record_bytes) return end;
    // Twice as much each time, so that a large record that comes through a pipe in small pieces is
    // not walked over again for each of them.
    const std::size_t wanted = 2 * window_.size();
    while (window_.size() < wanted && window_.fill()) {
    }
    if (failure()) return end;
  }
}

std::optional<Entry> ConversationReader::Impl::read_record(const KeepFn& keep) {
  if (*window_.data() != '{') {
    return fail({"no_object",
                 fmt::format("an object is expected, found {}", describe_byte(*window_.data()))},
                0, "");
  }
  const RecordWalk::End end = walk();
  if (failure()) {
    finished_ = true;
    return std::nullopt;
  }
  const bool complete = end == RecordWalk::End::kComplete;
  if (end == RecordWalk::End::kIncomplete || (complete && walk_.length() > options_.record_bytes)) {
    return fail(
        {"too_large", fmt::format("the record is larger than {} bytes", options_.record_bytes)}, 0,
        walk_.id());
  }
  return complete ? take_record(keep) : fail(walk_.error(), walk_.error_offset(), walk_.id());
}

Entry ConversationReader::Impl::start_entry() {
  Entry entry;
  entry.key.index = records_++;
  entry.offset = window_.offset();
  entry.key.id = fmt::format("record-{:09}", entry.key.index);
  return entry;
}

std::optional<Entry> ConversationReader::Impl::take_record(const KeepFn& keep) {
  Entry entry = start_entry();
  entry.bytes = walk_.length();
  if (walk_.has_id()) entry.key.id = walk_.id();
  std::optional<Error> objection = walk_.objection();
  bool kept = true;
  if (objection) {
    objection->message += fmt::format(" (the record starts at byte {} of the file)", entry.offset);
    entry.conversation = std::move(*objection);
  } else {
    if (opening_.empty()) opening_ = opening();
    entry.key.content_hash = walk_.content_hash();
    entry.key.occurrence = ids_.count(folded_id_hash(entry.key.id));
    kept = keep(entry.key);
  }
  if (kept && !objection) entry.conversation = walk_.build(entry.key.id);
  line_start_ = false;
  window_.consume(walk_.length());
  walk_.shrink();
  if (kept) return entry;
  ++skipped_;
  return std::nullopt;
}

Entry ConversationReader::Impl::fail(Error error, std::size_t error_offset, std::string id) {
  Entry entry = start_entry();
  if (!id.empty()) entry.key.id = std::move(id);
  const bool is_object = *window_.data() == '{';
  const RecordEnd::Found found = pass_broken_record();
  entry.bytes = window_.offset() - entry.offset;
  if (found == RecordEnd::Found::kNext && error.code == "truncated") {
    error = {"bad_json", "The next record starts before this one ends"};
    error_offset = entry.bytes;
  } else if (found == RecordEnd::Found::kNothing && is_object && error.code != "truncated") {
    error.message +=
        "; the end of the record was not found, so that it is taken to go on up to the "
        "end of the file";
  }
  error.message += error_offset == 0
                       ? fmt::format(" (byte {} of the file)", entry.offset)
                       : fmt::format(" (byte {} of the file, in the record that starts at byte {})",
                                     entry.offset + error_offset, entry.offset);
  entry.conversation = std::move(error);
  return entry;
}

// The record's bytes from its `{` up to its first colon.
std::string ConversationReader::Impl::opening() {
  const std::string_view record(window_.data(), window_.size());
  const std::string_view head = record.substr(0, RecordEnd::kLookAhead);
  return head.starts_with('{') ? std::string(head.substr(0, head.find(':') + 1)) : "";
}

RecordEnd::Start ConversationReader::Impl::describe_start() {
  RecordEnd::Start start;
  start.in_array = in_array_;
  start.is_object = *window_.data() == '{';
  start.starts_line = line_start_;
  start.indent = line_start_ ? indent_ : 0;
  start.opening = opening_.empty() ? opening() : opening_;
  return start;
}

RecordEnd::Found ConversationReader::Impl::pass_broken_record() {
  RecordEnd end(describe_start());
  for (;;) {
    const bool last = window_.at_end();
    window_.consume(end.feed({window_.data(), window_.size()}, last));
    if (end.found() == RecordEnd::Found::kNext || last) break;
    window_.fill();
  }
  if (end.found() != RecordEnd::Found::kNext)
    closed_ = true;  // Where it is not, this record fails.
  line_start_ = end.at_line_start();
  indent_ = end.indent();
  return end.found();
}

ConversationReader::ConversationReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConversationReader::ConversationReader(ConversationReader&&) noexcept = default;
ConversationReader::~ConversationReader() = default;

Result<ConversationReader> ConversationReader::open(const std::string& path, Options options,
                                                    std::stop_token stop) {
  Result<ByteWindow> window = ByteWindow::open(path, std::move(stop));
  if (!window) return window.error();
  auto impl = std::make_unique<Impl>(std::move(window).value(), path, options);
  if (std::optional<Error> error = impl->begin()) return std::move(*error);
  return ConversationReader(std::move(impl));
}

std::optional<Entry> ConversationReader::next(const KeepFn& keep) { return impl_->next(keep); }
std::uint64_t ConversationReader::skipped() const { return impl_->skipped(); }
std::uint64_t ConversationReader::records() const { return impl_->records(); }
std::uint64_t ConversationReader::offset() const { return impl_->offset(); }
const std::optional<Error>& ConversationReader::failure() const { return impl_->failure(); }

}  // namespace flowtts
