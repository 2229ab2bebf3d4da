// The reader of the input. Whatever the bytes: it comes to an end, entries stand in the file one
// after the other, texts are UTF-8, and which records are kept changes neither their number nor
// their identity.
#include <vector>

#include "core/utf8.h"
#include "stages/io/conversation_reader.h"
#include "tests/fuzz/fuzz.h"

using flowtts::ConversationReader;
using flowtts::RecordKey;

namespace {

bool is_utf8(std::string_view text) { return flowtts::valid_utf8_prefix(text) == text.size(); }

void check_conversation(const flowtts::Conversation& conversation) {
  FUZZ_CHECK(is_utf8(conversation.id));
  FUZZ_CHECK(!conversation.id.empty());
  FUZZ_CHECK(is_utf8(conversation.extra));
  for (const flowtts::Turn& turn : conversation.turns) {
    FUZZ_CHECK(is_utf8(turn.role) && is_utf8(turn.label) && is_utf8(turn.text));
    FUZZ_CHECK(is_utf8(turn.extra) && is_utf8(turn.raw_value));
  }
  flowtts::JsonWriter json;
  conversation.to_json(json);
  FUZZ_CHECK(is_utf8(json.text()));
}

struct Seen {
  std::vector<RecordKey> asked;
  std::uint64_t records = 0;
  std::uint64_t failed = 0;
  std::string failure;
};

Seen read(const std::string& path, std::size_t size, ConversationReader::Options options,
          bool keep_all) {
  Seen seen;
  auto reader = ConversationReader::open(path, options);
  if (!reader.ok()) {
    seen.failure = reader.error().code;
    return seen;
  }
  const auto keep = [&](const RecordKey& key) {
    seen.asked.push_back(key);
    return keep_all;
  };
  std::uint64_t end = 0;
  while (const auto entry = reader->next(keep)) {
    FUZZ_CHECK(entry->offset >= end);
    FUZZ_CHECK(entry->bytes > 0 || entry->conversation.is_error());
    end = entry->offset + entry->bytes;
    FUZZ_CHECK(end <= size);
    if (entry->conversation.ok()) {
      FUZZ_CHECK(keep_all);
      check_conversation(*entry->conversation);
    } else {
      FUZZ_CHECK(!entry->conversation.error().message.empty());
      FUZZ_CHECK(is_utf8(entry->conversation.error().message));
      ++seen.failed;
    }
  }
  seen.records = reader->records();
  FUZZ_CHECK(seen.asked.size() + seen.failed == seen.records);
  FUZZ_CHECK(reader->skipped() == (keep_all ? 0 : seen.asked.size()));
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const flowtts::fuzz::MemoryFile file(flowtts::fuzz::text_of(data, size));
  const ConversationReader::Options usual;
  const Seen all = read(file.path(), size, usual, true);
  const Seen none = read(file.path(), size, usual, false);
  FUZZ_CHECK(all.failure == none.failure);
  FUZZ_CHECK(all.records == none.records);
  FUZZ_CHECK(all.asked.size() == none.asked.size());
  for (std::size_t i = 0; i < all.asked.size(); ++i) {
    FUZZ_CHECK(all.asked[i].id == none.asked[i].id);
    FUZZ_CHECK(all.asked[i].content_hash == none.asked[i].content_hash);
    FUZZ_CHECK(all.asked[i].index == none.asked[i].index);
    FUZZ_CHECK(all.asked[i].occurrence == none.asked[i].occurrence);
  }
  read(file.path(), size, {.depth = 4, .turns = 2, .record_bytes = 1024}, true);
  return 0;
}
