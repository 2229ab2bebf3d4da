#include "stages/io/conversation_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/json.h>

#include "tests/stages/io/cases.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::Case;
using flowtts::testing::TempFolder;

namespace {

using Entry = ConversationReader::Entry;

std::string_view shape_name(ConversationShape shape) {
  switch (shape) {
    case ConversationShape::kShareGpt:
      return "conversations/from";
    case ConversationShape::kOpenAi:
      return "messages/role";
    case ConversationShape::kShareGptRole:
      return "conversations/role";
    case ConversationShape::kOpenAiFrom:
      return "messages/from";
  }
  return "";
}

void describe_turn(JsonWriter& json, const Turn& turn) {
  json.begin_object().field(turn.role, turn.text);
  if (turn.label != turn.role) json.field("label", turn.label);
  if (!turn.raw_value.empty()) json.key("raw").raw(turn.raw_value);
  json.raw_members(turn.extra).end_object();
}

std::string describe(const Entry& entry) {
  JsonWriter json;
  json.begin_object().field("index", entry.key.index);
  if (entry.key.occurrence != 0) json.field("occurrence", entry.key.occurrence);
  json.field("offset", entry.offset).field("bytes", entry.bytes).field("id", entry.key.id);
  if (entry.conversation.ok()) {
    const Conversation& conversation = *entry.conversation;
    CHECK(conversation.id == entry.key.id);
    if (!conversation.id_given) json.field("id_given", false);
    if (conversation.id_number) json.field("id_number", true);
    json.field("shape", shape_name(conversation.shape));
    json.key("turns").begin_array();
    for (const Turn& turn : conversation.turns) {
      CHECK(turn.spoken == turn.text);
      describe_turn(json, turn);
    }
    json.end_array();
    if (!conversation.extra.empty()) {
      json.key("extra").begin_object().raw_members(conversation.extra).end_object();
    }
  } else {
    json.field("error", entry.conversation.error().code);
    json.field("message", entry.conversation.error().message);
  }
  json.end_object();
  return std::string(json.text());
}

std::string describe_all(ConversationReader& reader) {
  std::string out;
  while (std::optional<Entry> entry = reader.next()) out += describe(*entry) + "\n";
  return out;
}

constexpr ConversationReader::Options kSmallLimits{8, 10, 500};

std::string record(std::string_view id, std::string_view text) {
  return "{\"id\": \"" + std::string(id) +
         "\", \"conversations\": [{\"from\": \"human\", \"value\": \"" + std::string(text) +
         "\"}]}";
}

std::vector<Entry> read_all(const std::string& path) {
  Result<ConversationReader> reader = ConversationReader::open(path);
  REQUIRE(reader.ok());
  std::vector<Entry> entries;
  while (std::optional<Entry> entry = reader->next()) entries.push_back(std::move(*entry));
  return entries;
}

RecordKey key_of(const TempFolder& folder, std::string_view json) {
  const std::vector<Entry> entries = read_all(folder.write("key.json", json));
  REQUIRE(entries.size() == 1);
  REQUIRE(entries[0].conversation.ok());
  return entries[0].key;
}

}  // namespace

TEST_CASE("every oddity of conversation files is read as the cases say") {
  const TempFolder folder;
  for (const Case& each : testing::read_cases("tests/stages/io/conversations.cases")) {
    CAPTURE(each.name);
    const std::string path = folder.write("case.json", each.file());
    Result<ConversationReader> reader = ConversationReader::open(path, kSmallLimits);
    if (each.has("error")) {
      REQUIRE(reader.is_error());
      const std::string message = reader.error().code + ": " + reader.error().message;
      CHECK(message.find(path) != std::string::npos);
      CHECK(testing::replaced(message, path, "FILE") + "\n" == each.section("error"));
    } else {
      REQUIRE(reader.ok());
      CHECK(describe_all(*reader) == each.section("records"));
      CHECK(!reader->failure());
      CHECK(reader->offset() == each.file().size());
    }
  }
}

TEST_CASE("a file that cannot be opened is an error that names it and says why") {
  const TempFolder folder;
  const Result<ConversationReader> missing =
      ConversationReader::open((folder.path() / "nowhere.json").string());
  REQUIRE(missing.is_error());
  CHECK(missing.error().code == "no_such_file");
  CHECK(missing.error().message.find("nowhere.json' cannot be read") != std::string::npos);
  const Result<ConversationReader> directory = ConversationReader::open(folder.path().string());
  REQUIRE(directory.is_error());
  CHECK(directory.error().code == "not_a_file");
}

TEST_CASE(
    "whatever one byte of a record is lost, added or where it is cut, its neighbours are read") {
  struct Layout {
    std::string_view name, before, between, after, line, indent;
  };
  const std::vector<Layout> layouts{
      {"one line", "[", ", ", "]", "", ""},
      {"a line each", "[\n", ",\n", "\n]\n", "", ""},
      {"minified", "[", ",", "]", "", ""},
      {"indented", "[\n  ", ",\n  ", "\n]\n", "\n    ", "  "},
      {"JSON Lines", "", "\n", "\n", "", ""},
  };
  const TempFolder folder;
  for (const Layout& layout : layouts) {
    CAPTURE(layout.name);
    const auto make = [&](std::string_view id) {
      const std::string line(layout.line);
      const std::string end = line.empty() ? "" : "\n  ";
      return "{" + line + "\"id\": \"" + std::string(id) + "\", " + line +
             R"("conversations": [{"from": "human", "value": "What, {x} [y] \"z\"?"}, )" + line +
             R"({"from": "gpt", "value": "A \u00e9."}])" + end + "}";
    };
    const auto neighbours_survive = [&](const std::string& broken) {
      const std::string content =
          std::string(layout.before) + make("a") + std::string(layout.between) + broken +
          std::string(layout.between) + make("c") + std::string(layout.between) + make("d") +
          std::string(layout.after);
      std::set<std::string> ids;
      std::uint64_t end = 0;
      for (const Entry& entry : read_all(folder.write("broken.json", content))) {
        CHECK(entry.offset >= end);
        end = entry.offset + entry.bytes;
        if (entry.conversation.ok() && entry.conversation->turns.size() == 2) {
          ids.insert(entry.key.id);
        }
      }
      return end <= content.size() && ids.contains("a") && ids.contains("c") && ids.contains("d");
    };
    const std::string whole = make("b");
    for (std::size_t at = 0; at < whole.size(); ++at) {
      CAPTURE(at);
      CHECK(neighbours_survive(std::string(whole).erase(at, 1)));
      CHECK(neighbours_survive(whole.substr(0, at)));
      for (const char c : std::string_view("{}[]\",:\\\nx")) {
        CAPTURE(c);
        CHECK(neighbours_survive(std::string(whole).insert(at, 1, c)));
      }
    }
  }
}

TEST_CASE("records are the same wherever the borders of the buffer fall") {
  const TempFolder folder;
  const std::size_t window = 512 * 1024;
  for (const std::string_view text : {R"(\ud83d\ude00)", R"(\ud83d)", R"(a\"b)", "caf\xC3\xA9"}) {
    CAPTURE(text);
    const std::string probe = record("probe", text);
    const std::vector<Entry> alone = read_all(folder.write("alone.json", "[" + probe + "]"));
    REQUIRE(alone.size() == 1);
    for (std::size_t back = 0; back <= probe.size(); ++back) {
      CAPTURE(back);
      const std::string head = "[" + record("head", "");
      std::string content =
          "[" + record("head", std::string(window - back - head.size() - 1, 'x')) + ",";
      REQUIRE(content.size() == window - back);
      content += probe + "," + record("tail", "t") + "]";
      const std::vector<Entry> entries = read_all(folder.write("border.json", content));
      REQUIRE(entries.size() == 3);
      REQUIRE(entries[1].conversation.ok());
      CHECK(entries[1].offset == window - back);
      CHECK(entries[1].conversation->turns[0].text == alone[0].conversation->turns[0].text);
      CHECK(entries[1].key.content_hash == alone[0].key.content_hash);
      CHECK(entries[2].conversation.ok());
    }
  }
}

TEST_CASE("records of several MB are read, and ones above the limit are passed over") {
  const TempFolder folder;
  const std::string large(5'000'000, 'y');
  const std::string huge(12'000'000, 'z');
  const std::string path =
      folder.write("large.json", "[" + record("a", large) + ", " + record("b", huge) + ", " +
                                     record("c", large) + ", " + record("d", "small") + "]");
  Result<ConversationReader> reader = ConversationReader::open(path, {.record_bytes = 8'000'000});
  REQUIRE(reader.ok());
  const auto a = reader->next();
  REQUIRE(a);
  REQUIRE(a->conversation.ok());
  CHECK(a->conversation->turns[0].text == large);
  const auto b = reader->next();
  REQUIRE(b);
  REQUIRE(b->conversation.is_error());
  CHECK(b->conversation.error().code == "too_large");
  CHECK(b->bytes == record("b", huge).size() + 2);
  const auto c = reader->next();
  REQUIRE(c);
  CHECK(c->conversation.ok());
  const auto d = reader->next();
  REQUIRE(d);
  CHECK(d->key.id == "d");
  CHECK(!reader->next());
}

TEST_CASE("a record's hash depends on what is said, not on how it is written") {
  const TempFolder folder;
  const RecordKey plain =
      key_of(folder, R"([{"id": 1, "conversations": [{"from": "human", "value": "Ein Bär."}]}])");
  for (const std::string_view same :
       {R"([ { "conversations" : [ { "value" : "Ein B\u00e4r." , "from" : "human" } ], "id":1 } ])",
        R"({"image": "x.jpg", "id": 2, "messages": [{"role": "USER", "content": "Ein Bär."}]})",
        R"([{"id": 1, "conversations": [{"from": "human", "value": "Ein Bär.", "weight": 1}]}])"}) {
    CAPTURE(same);
    CHECK(key_of(folder, same).content_hash == plain.content_hash);
  }
  for (const std::string_view other :
       {R"([{"id": 1, "conversations": [{"from": "human", "value": "Ein Bar."}]}])",
        R"([{"id": 1, "conversations": [{"from": "gpt", "value": "Ein Bär."}]}])",
        R"([{"id": 1, "conversations": [{"from": "human", "value": "Ein"}, {"value": " Bär."}]}])",
        R"([{"id": 1, "conversations": []}])"}) {
    CAPTURE(other);
    CHECK(key_of(folder, other).content_hash != plain.content_hash);
  }
}

TEST_CASE("a record's hash is the same in every version and on every machine") {
  const TempFolder folder;
  CHECK(key_of(folder, R"([{"id": 1, "conversations": [{"from": "human", "value": "Hi"}]}])")
            .content_hash == 14111213752088363375U);
}

TEST_CASE("what is not kept is counted and passed, failures are reported all the same") {
  const TempFolder folder;
  const std::string path =
      folder.write("some.json", "[" + record("a", "1") + ", {\"id\": 7}, " + record("b", "2") +
                                    ", x, " + record("a", "3") + "]");
  Result<ConversationReader> reader = ConversationReader::open(path);
  REQUIRE(reader.ok());
  std::vector<std::string> asked;
  const auto keep_b = [&](const RecordKey& key) {
    asked.push_back(std::to_string(key.index) + " " + key.id + " " +
                    std::to_string(key.occurrence));
    return key.id == "b";
  };
  std::vector<std::uint64_t> returned;
  while (const auto entry = reader->next(keep_b)) returned.push_back(entry->key.index);
  CHECK(asked == std::vector<std::string>{"0 a 0", "2 b 0", "4 a 1"});
  CHECK(returned == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(reader->skipped() == 2);
  CHECK(reader->records() == 5);
}

TEST_CASE("a pipe is read like a file, however small its pieces") {
  const TempFolder folder;
  const std::string content =
      "[" + record("a", std::string(700'000, 'x')) + ", " + record("b", "2") + "]";
  const std::string path = (folder.path() / "pipe").string();
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  std::thread writer([&] {
    const int descriptor = ::open(path.c_str(), O_WRONLY);
    for (std::size_t at = 0; at < content.size(); at += 1000) {
      const std::string piece = content.substr(at, 1000);
      if (::write(descriptor, piece.data(), piece.size()) < 0) break;
    }
    ::close(descriptor);
  });
  const std::vector<Entry> entries = read_all(path);
  writer.join();
  REQUIRE(entries.size() == 2);
  REQUIRE(entries[0].conversation.ok());
  CHECK(entries[0].conversation->turns[0].text.size() == 700'000);
  CHECK(entries[1].key.id == "b");
}

TEST_CASE("a reader that waits for a pipe hears a request to stop") {
  const TempFolder folder;
  const std::string path = (folder.path() / "pipe").string();
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  for (const bool opened : {false, true}) {
    CAPTURE(opened);
    const int writer = opened ? ::open(path.c_str(), O_RDWR) : -1;
    std::stop_source stop;
    std::jthread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      stop.request_stop();
    });
    CHECK_FALSE(ConversationReader::open(path, {}, stop.get_token()).ok());  // nothing was read
    if (opened) ::close(writer);
  }
  // In the middle of an array.
  const int writer = ::open(path.c_str(), O_RDWR);
  const std::string content = "[" + record("a", "1") + ", " + record("b", "2") + ", ";
  REQUIRE(::write(writer, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  std::stop_source stop;
  Result<ConversationReader> reader = ConversationReader::open(path, {}, stop.get_token());
  REQUIRE(reader.ok());
  std::jthread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop.request_stop();
  });
  CHECK(reader->next()->key.id == "a");
  while (reader->next()) {
  }
  CHECK_FALSE(reader->failure().has_value());
  ::close(writer);
}
