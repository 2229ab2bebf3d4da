#include <flowtts/stage.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <flowtts/payloads.h>

#include "stages/io/content_hash.h"
#include "stages/io/conversation_reader.h"

namespace flowtts {

/// Reads the conversations of a file.
struct LoadConversations final : Source<Conversation> {
  std::filesystem::path path;
  std::uint32_t max_depth = 64;
  std::uint32_t max_turns = 10'000;
  ByteSize max_record{64U << 20U};

  static void describe(Spec<LoadConversations>& spec) {
    spec.name("load_conversations")
        .summary("Reads conversations from a JSON array or a JSON Lines file.")
        .doc(
            "A record is an object with `conversations` (turns of `from` and `value`, as LLaVA and "
            "ShareGPT have them) or `messages` (turns of `role` and `content`, as OpenAI has "
            "them); "
            "mixtures of the two are read as well. All other members are kept and come out again "
            "in the manifest. The file is streamed: its size does not matter.\n\n"
            "Trailing commas, a byte order mark, ids that repeat, numbers as ids, missing ids "
            "(`record-000000012` is then made from the place in the file), missing or null texts, "
            "and lists of parts with images among them (their texts are taken) are all read. A "
            "record that cannot be read becomes a failed record with its byte offset, and the "
            "reading goes on behind it.")
        .param("path", &LoadConversations::path,
               "The file, or `-` for the standard input. A pipe will do as well.")
        .required()
        .neutral()
        .example("examples/data/conversations.json")
        .param("max_depth", &LoadConversations::max_depth,
               "How deep a record's arrays and objects may be nested.")
        .range(4, 1000)
        .param("max_turns", &LoadConversations::max_turns, "How many turns a record may have.")
        .unit("turns")
        .range(1, 1e6)
        .param("max_record", &LoadConversations::max_record,
               "How large a record may be; a larger one fails without being held in memory.")
        .range(1024, 1U << 30U)
        .example("64MiB");
  }

  void check(Checker& checker) const {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    // What is not a plain file (a pipe, the standard input) cannot be looked at without taking
    // something out of it.
    if (path == "-" || (std::filesystem::exists(status) && is_stream(status))) return;
    const Result<ConversationReader> reader = open_reader();
    if (!reader) {
      checker.error("path", reader.error().message);
    } else {
      const auto bytes = std::filesystem::file_size(path, error);
      if (!error) checker.note("reads " + path.string() + ", " + std::to_string(bytes) + " bytes");
    }
  }

  /// Of the whole file; nothing for a pipe, which can be read once only.
  std::string content() const {
    std::error_code unknown;
    if (!std::filesystem::is_regular_file(path, unknown)) return {};
    ContentHash hash;
    return hash.add_file(path) ? std::string() : hash.hex();  // what cannot be read, `open` tells
  }

  std::optional<Error> open(const RunContext& run) {
    Result<ConversationReader> reader = open_reader(run.stop);
    if (!reader) return reader.error();
    reader_ = std::make_shared<ConversationReader>(std::move(reader).value());
    position_ = std::make_shared<std::atomic<std::uint64_t>>(0);
    std::error_code error;
    const auto bytes = std::filesystem::file_size(path, error);
    file_bytes_ = error ? 0 : bytes;
    return std::nullopt;
  }

  std::optional<SourceRecord<Conversation>> next(const KeepRecord& keep) {
    std::optional<ConversationReader::Entry> entry = reader_->next([&](const RecordKey& key) {
      position_->store(reader_->offset(), std::memory_order_relaxed);
      return keep(key);
    });
    position_->store(reader_->offset(), std::memory_order_relaxed);
    if (!entry) {
      position_->store(file_bytes_, std::memory_order_relaxed);
      return end();
    }
    return SourceRecord<Conversation>{std::move(entry->key), entry->offset,
                                      std::move(entry->conversation)};
  }

  double fraction() const {
    if (!position_ || file_bytes_ == 0) return -1;  // a pipe does not tell its length
    const auto position = static_cast<double>(position_->load(std::memory_order_relaxed));
    return std::min(1.0, position / static_cast<double>(file_bytes_));
  }

  std::optional<Error> close() {
    reader_.reset();
    return std::nullopt;
  }

 private:
  // A file that cannot be read any further ends the run, rather than make a smaller data set of it.
  std::optional<SourceRecord<Conversation>> end() const {
    if (!reader_->failure()) return std::nullopt;
    return SourceRecord<Conversation>{RecordKey{}, reader_->offset(), *reader_->failure()};
  }

  static bool is_stream(const std::filesystem::file_status& status) {
    return !std::filesystem::is_regular_file(status) && !std::filesystem::is_directory(status);
  }

  Result<ConversationReader> open_reader(const std::stop_token& stop = {}) const {
    return ConversationReader::open(path.string(), {max_depth, max_turns, max_record.bytes}, stop);
  }

  std::shared_ptr<ConversationReader> reader_;
  std::shared_ptr<std::atomic<std::uint64_t>> position_;  ///< Bytes read, for other threads.
  std::uint64_t file_bytes_ = 0;
};

FLOWTTS_STAGE(LoadConversations)

}  // namespace flowtts
