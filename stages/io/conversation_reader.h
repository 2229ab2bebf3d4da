#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <flowtts/item.h>
#include <flowtts/payloads.h>
#include <flowtts/result.h>

namespace flowtts {

/// Reads the conversations of one file, one after the other: a JSON array of records, several such
/// arrays one after the other, or JSON Lines, told apart by the first byte; a UTF-8 byte order mark
/// is passed over. `-` is the standard input; pipes are read as well as files.
///
/// A record is an object with `conversations` or `messages`, a list of turns, each an object with
/// `from` and `value` or `role` and `content` (the first of each pair where a turn has both). Other
/// members are kept as JSON text. In detail:
///  - id: a string or number; another value gives its JSON text; without one (missing, null, "")
///    the record is called `record-000000012` by its index. Ids may repeat: see Entry;
///  - a turn's text: a string as it is; missing or null gives an empty text, a number or a boolean
///    its JSON text, a list of parts the texts of its strings and text parts, one below the other,
///    without its images; Turn::raw_value keeps what was no string;
///  - no turns at all is a conversation. Trailing commas are passed over. Lone surrogate escapes
///    and bytes that are not UTF-8 become U+FFFD.
///
/// Failures of one record are its entry's Error and leave the others alone: "bad_json" (the error's
/// byte and what is wrong there), "truncated", "no_object", "no_turns", "bad_turn", "too_deep",
/// "too_large", "too_many_turns". After a syntax error RecordEnd decides where the record ends.
/// An array that lacks its `]` where the file ends is one more failed entry, "truncated", because
/// records may be missing.
///
/// Memory: a buffer of 512 KiB, the largest record that was met lately a few times over
/// (Options::record_bytes bounds it), and 8 to 21 bytes for each different id, whatever the file's
/// size. A record that is not kept costs the walk and a hash. One thread; nothing else touches the
/// file.
class ConversationReader {
 public:
  struct Options {
    std::uint32_t depth = 64;                 ///< Of nested arrays and objects in a record.
    std::uint32_t turns = 10'000;             ///< Of one conversation.
    std::uint64_t record_bytes = 64U << 20U;  ///< Of one record as JSON; at most 1 GiB.
  };

  struct Entry {
    /// index counts all records of the file, failed ones included. occurrence counts the earlier
    /// ones, kept or not, whose id agrees where letter case and Unicode composition do not count;
    /// it is 0 for a failed record.
    RecordKey key;
    std::uint64_t offset = 0;  ///< The byte of the file at which it starts.
    std::uint64_t bytes = 0;   ///< How many bytes of the file it takes.
    Result<Conversation> conversation = Error{};
  };

  /// Asked once about every conversation, before any object is built.
  using KeepFn = std::function<bool(const RecordKey&)>;

  /// Errors: as ByteWindow::open, and "empty_file", "compressed", "not_utf8", "not_json".
  /// \param stop ends the file where a pipe lets the reader wait: see ByteWindow.
  static Result<ConversationReader> open(const std::string& path, Options options,
                                         std::stop_token stop = {});
  static Result<ConversationReader> open(const std::string& path) { return open(path, Options{}); }

  ConversationReader(ConversationReader&& other) noexcept;
  ~ConversationReader();

  /// The next record that is kept or failed; nothing at the end of the file, or where the file
  /// cannot be read any further (`failure`).
  std::optional<Entry> next(const KeepFn& keep);
  std::optional<Entry> next() {
    return next([](const RecordKey&) { return true; });
  }

  /// How many records so far were not kept.
  std::uint64_t skipped() const;
  /// How many records there were so far: kept, failed and skipped.
  std::uint64_t records() const;
  /// How many bytes of the file have been dealt with.
  std::uint64_t offset() const;
  /// Why the reading ended early, if it did ("read_failed").
  const std::optional<Error>& failure() const;

 private:
  class Impl;
  explicit ConversationReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flowtts
