#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/payloads.h>

#include "core/sealed_line.h"
#include "stages/io/conversation_reader.h"
#include "stages/io/manifest_file.h"
#include "stages/io/manifest_line.h"
#include "tests/stages/stage_helpers.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::TempFolder;

namespace {

using Arrived = Gathered<AudioFile>::Arrived;

std::shared_ptr<const Conversation> read_conversation(const std::string& json) {
  const TempFolder folder;
  Result<ConversationReader> reader = ConversationReader::open(folder.write("one.json", json));
  REQUIRE(reader.ok());
  auto entry = reader->next();
  REQUIRE(entry);
  REQUIRE(entry->conversation.ok());
  return std::make_shared<const Conversation>(std::move(entry->conversation).value());
}

std::shared_ptr<const Conversation> two_turns() {
  return read_conversation(
      R"([{"id": 7, "image": "a.jpg", "conversations": [
          {"from": "human", "value": "<image>\nWho? Why?"}, {"from": "gpt", "value": "Me."}]}])");
}

Sentence sentence(std::shared_ptr<const Conversation> of, std::uint32_t turn, std::uint32_t index,
                  const std::string& text) {
  return {std::move(of), turn, index, text + " ", text};
}

Arrived file(const Sentence& said, const std::string& path) {
  auto speech = std::make_shared<Speech>();
  speech->sentence = said;
  speech->speaker = "slt";
  speech->seed = 5;
  speech->voice = "default@3f2a";
  auto written = std::make_shared<AudioFile>();
  written->path = path;
  written->sample_rate = 22050;
  written->samples = 11025;
  written->peak = 0.5F;
  written->bytes_in_file = 22094;
  written->checksum = 255;
  written->speech = speech;
  return {{said.turn, said.index}, written};
}

EndedItem ended(AnyPayload payload, std::vector<std::uint32_t> path, const std::string& stage,
                Result<bool> outcome) {
  return {std::move(path), stage, std::move(payload), std::move(outcome)};
}

const RecordKey kRecord{"7", 0, 12, 0};

std::string contents(const std::filesystem::path& path) { return testing::read_whole_file(path); }

std::string line(int index, const std::string& rest = "x") {
  return seal_line("{\"index\":" + std::to_string(index) + ",\"id\":\"" + rest + "\"}");
}

/// Earlier sessions in which these records were done.
class Earlier final : public EarlierSessions {
 public:
  explicit Earlier(std::set<std::uint64_t> done) : done_(std::move(done)) {}
  bool is_done(std::uint64_t index) const override { return done_.contains(index); }
  std::vector<std::uint64_t> done() const override { return {done_.begin(), done_.end()}; }
  void redo(std::uint64_t index, const std::string&) override { again.push_back(index); }
  void note(const std::string&) override {}

  std::vector<std::uint64_t> again;

 private:
  std::set<std::uint64_t> done_;
};

}  // namespace

TEST_CASE(
    "a line has the record in its own shape, and each sentence with its audio or its reason") {
  const auto read = two_turns();
  Conversation cleaned = *read;
  cleaned.turns[0].spoken = "Who? Why?";
  const auto conversation = std::make_shared<const Conversation>(cleaned);
  Gathered<AudioFile> gathered;
  gathered.origin = AnyPayload(read);
  gathered.arrived = {file(sentence(conversation, 0, 0, "Who?"), "audio/00/sft_7_0_0.wav")};
  gathered.ended = {ended(AnyPayload::of(sentence(conversation, 0, 1, "Why?")), {0, 1}, "phonemize",
                          Filtered{"unspeakable"})};
  CHECK(
      manifest_line(kRecord, gathered) ==
      R"({"index":12,"id":7,"image":"a.jpg","conversations":[)"
      R"({"from":"human","value":"<image>\nWho? Why?","spoken":"Who? Why?","sentences":[)"
      R"({"text":"Who? ","spoken":"Who?","audio":"audio/00/sft_7_0_0.wav","sample_rate":22050,)"
      R"("samples":11025,"seconds":0.5,"peak":0.5,"bytes":22094,"xxh3":"00000000000000ff",)"
      R"("speaker":"slt","seed":5,"voice":"default@3f2a"},)"
      R"({"text":"Why? ","spoken":"Why?","status":"filtered","stage":"phonemize","reason":"unspeakable"}]},)"
      R"({"from":"gpt","value":"Me.","spoken":"Me."}],"status":"written"})");
}

TEST_CASE("a sentence that was spoken anew says which take it is, and others say nothing") {
  const auto conversation = two_turns();
  for (const int take : {1, 3}) {
    CAPTURE(take);
    Gathered<AudioFile> gathered;
    gathered.origin = AnyPayload(conversation);
    Arrived arrived = file(sentence(conversation, 0, 0, "Who?"), "audio/00/sft_7_0_0.wav");
    AudioFile written = *arrived.payload;
    Speech speech = *written.speech;
    speech.take = take;
    written.speech = std::make_shared<const Speech>(speech);
    arrived.payload = std::make_shared<const AudioFile>(written);
    gathered.arrived = {arrived};
    const std::string made = manifest_line(kRecord, gathered);
    CHECK((made.find(R"("voice":"default@3f2a","take":3})") != std::string::npos) == (take == 3));
    CHECK((made.find("\"take\"") != std::string::npos) == (take == 3));
  }
}

TEST_CASE("a record with a failed sentence is failed, whatever stage it failed at") {
  const auto conversation = two_turns();
  const Error error{"write_failed", "no space"};
  const Sentence said = sentence(conversation, 0, 1, "Why?");
  auto speech = std::make_shared<Speech>();
  speech->sentence = said;
  for (const AnyPayload& payload :
       {AnyPayload::of(said), AnyPayload::of(Phonemes{said, {1, 2}}),
        AnyPayload::of(Audio{{}, 16000, speech}),
        AnyPayload::of(AudioFile{"audio/x.wav", 16000, 0, 0, 0, speech})}) {
    Gathered<AudioFile> gathered;
    gathered.origin = AnyPayload(conversation);
    gathered.arrived = {file(sentence(conversation, 0, 0, "Who?"), "audio/00/sft_7_0_0.wav")};
    gathered.ended = {ended(payload, {0, 1}, "write", error)};
    const std::string made = manifest_line(kRecord, gathered);
    CHECK(made.find(R"({"text":"Why? ","spoken":"Why?","status":"failed","stage":"write",)"
                    R"("error":"write_failed","message":"no space"})") != std::string::npos);
    CHECK(made.ends_with(R"(],"status":"failed"})"));
  }
}

TEST_CASE("a record that ended as a whole says where and why") {
  const auto conversation = two_turns();
  Gathered<AudioFile> gathered;
  gathered.origin = AnyPayload(conversation);
  gathered.ended = {ended(AnyPayload(conversation), {}, "split", Filtered{"empty"})};
  CHECK(
      manifest_line(kRecord, gathered)
          .ends_with(
              R"({"from":"gpt","value":"Me.","spoken":"Me."}],"status":"filtered","stage":"split","reason":"empty"})"));

  Gathered<AudioFile> malformed;
  malformed.offset = 345;
  malformed.ended = {ended({}, {}, "load", Error{"bad_json", "Invalid value, byte 350"})};
  CHECK(manifest_line({"record-000000012", 0, 12, 0}, malformed) ==
        R"({"index":12,"id":"record-000000012","offset":345,"status":"failed","stage":"load",)"
        R"("error":"bad_json","message":"Invalid value, byte 350"})");
}

TEST_CASE("every shape and every odd value comes out as it came in") {
  for (
      const std::string members :
      {R"("id":"a","conversations":[{"from":"human","value":"Hi"}])",
       R"("id":"a","messages":[{"role":"USER","content":[{"type":"text","text":"Hi"},{"type":"image_url"}]}])",
       R"("id":"a","conversations":[{"role":"user","content":"Hi"}])",
       R"("id":1.50,"messages":[{"from":"human","value":null}])",
       R"("id":"a","conversations":[{"from":"human","value":42,"weight":1e3}])",
       R"("id":"\u0000\"","conversations":[])"}) {
    CAPTURE(members);
    const auto conversation = read_conversation("[{" + members + "}]");
    Gathered<AudioFile> gathered;
    gathered.origin = AnyPayload(conversation);
    std::string made = manifest_line({conversation->id, 0, 3, 0}, gathered);
    const std::string spoken =
        R"(,"spoken":")" + (conversation->turns.empty() ? "" : conversation->turns[0].spoken) + '"';
    if (const std::size_t at = made.find(spoken); at != std::string::npos)
      made.erase(at, spoken.size());
    CHECK(made == R"({"index":3,)" + members + R"(,"status":"filtered"})");
  }
}

TEST_CASE("members of the input whose names are taken are kept under other names") {
  const auto conversation = read_conversation(
      R"([{"index": 5, "status": "ok", "id": "a", "x": 1,
           "conversations": [{"from": "human", "value": "Hi", "spoken": "no", "sentences": []}]}])");
  Gathered<AudioFile> gathered;
  gathered.origin = AnyPayload(conversation);
  CHECK(
      manifest_line({"a", 0, 0, 0}, gathered) ==
      R"({"index":0,"id":"a","input_index":5,"input_status":"ok","x":1,"conversations":[)"
      R"({"from":"human","value":"Hi","input_spoken":"no","input_sentences":[],"spoken":"Hi"}],"status":"filtered"})");
}

TEST_CASE("the order in which items arrived does not show") {
  const auto conversation = two_turns();
  const std::vector<Arrived> arrived{file(sentence(conversation, 0, 0, "Who?"), "flac/00/b.flac"),
                                     file(sentence(conversation, 0, 0, "Who?"), "audio/00/a.wav"),
                                     file(sentence(conversation, 1, 0, "Me."), "audio/00/c.wav")};
  Gathered<AudioFile> gathered;
  gathered.origin = AnyPayload(conversation);
  gathered.arrived = arrived;
  const std::string expected = manifest_line(kRecord, gathered);
  std::vector<std::size_t> order{0, 1, 2};
  while (std::next_permutation(order.begin(), order.end())) {
    gathered.arrived = {arrived[order[0]], arrived[order[1]], arrived[order[2]]};
    CHECK(manifest_line(kRecord, gathered) == expected);
  }
}

TEST_CASE("files that were not made from a sentence stand in the record") {
  Gathered<AudioFile> gathered;
  gathered.origin = AnyPayload::of(Audio{{0.5F}, 8000, nullptr});
  gathered.arrived = {
      {{},
       std::make_shared<const AudioFile>(AudioFile{"audio/00/a.flac", 8000, 1, 2, 1.5F, nullptr})}};
  CHECK(
      manifest_line({"b/a", 0, 0, 0}, gathered) ==
      R"({"index":0,"id":"b/a","files":[{"audio":"audio/00/a.flac","sample_rate":8000,"samples":1,)"
      R"("seconds":0.000125,"peak":1.5,"bytes":0,"xxh3":"0000000000000000","clipped":2}],"status":"written"})");
}

TEST_CASE("lines that many threads append are whole, and come out in the order of their indices") {
  const TempFolder folder;
  const std::filesystem::path path = folder.path() / "manifest.jsonl";
  const auto manifest = ManifestFile::open(path);
  REQUIRE(manifest.ok());
  const auto text_of = [](int index) {
    return line(index, std::string(static_cast<std::size_t>(index * 7 % 500), 'y'));
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 999; i >= 0; --i) {
        if (i % 4 == thread) (*manifest)->append(text_of(i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(!(*manifest)->sort());
  std::string expected;
  for (int i = 0; i < 1000; ++i) expected += text_of(i) + "\n";
  CHECK(contents(path) == expected);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("lines longer than the blocks they are read in are sorted whole") {
  const TempFolder folder;
  const std::filesystem::path path = folder.path() / "manifest.jsonl";
  const auto manifest = ManifestFile::open(path);
  REQUIRE(manifest.ok());
  const std::string large = line(1, std::string(3'000'000, 'y'));
  (*manifest)->append(line(2));
  (*manifest)->append(large);
  (*manifest)->append(line(0));
  CHECK(!(*manifest)->sort());
  CHECK(contents(path) == line(0) + "\n" + large + "\n" + line(2) + "\n");
}

TEST_CASE("a torn last line is removed when the manifest is opened again, whole ones stay") {
  const TempFolder folder;
  for (const std::string& torn :
       {std::string("{\"index\":9,\"i"), std::string("{"), std::string(2'500'000, 'x')}) {
    for (const std::string& whole : {line(1) + "\n" + line(0) + "\n", std::string()}) {
      const std::filesystem::path path = folder.write("manifest.jsonl", whole + torn);
      {
        const auto manifest = ManifestFile::open(path);
        REQUIRE(manifest.ok());
        CHECK(contents(path) == whole);
        (*manifest)->append(line(2));
        CHECK(!(*manifest)->sort());
      }
      CHECK(contents(path) ==
            (whole.empty() ? "" : line(0) + "\n" + line(1) + "\n") + line(2) + "\n");
    }
  }
}

TEST_CASE("a manifest is written by one at a time") {
  const TempFolder folder;
  const std::filesystem::path path = folder.path() / "manifest.jsonl";
  auto first = ManifestFile::open(path);
  REQUIRE(first.ok());
  const auto second = ManifestFile::open(path);
  REQUIRE(second.is_error());
  CHECK(second.error().code == "manifest_in_use");
  first->reset();
  CHECK(ManifestFile::open(path).ok());
}

TEST_CASE("a file whose lines are no manifest's any more is not touched by sorting") {
  const TempFolder folder;
  const std::filesystem::path path = folder.write("manifest.jsonl", line(1) + "\n");
  const auto manifest = ManifestFile::open(path);
  REQUIRE(manifest.ok());
  (*manifest)->append("{\"id\":2}");
  const auto error = (*manifest)->sort();
  REQUIRE(error);
  CHECK(error->code == "bad_manifest");
  CHECK(error->message.find("line 2 of '" + path.string()) != std::string::npos);
  CHECK(contents(path) == line(1) + "\n{\"id\":2}\n");
}

TEST_CASE("when a run goes on, the lines of what is done stay, and what lacks one is done again") {
  const TempFolder folder;
  std::string damaged = line(5);
  damaged[12] = '?';
  const std::filesystem::path path = folder.write(
      "manifest.jsonl", line(4) + "\n" + line(2) + "\n" + damaged + "\n" + line(1) + "\n");
  Earlier earlier({1, 4, 5, 6});
  const auto manifest = ManifestFile::open(path, &earlier);
  REQUIRE(manifest.ok());
  CHECK(contents(path) == line(4) + "\n" + line(1) + "\n");
  CHECK(earlier.again == std::vector<std::uint64_t>{5, 6});
}

TEST_CASE("of several lines of one record the last stays") {
  const TempFolder folder;
  const std::filesystem::path path = folder.path() / "manifest.jsonl";
  const auto manifest = ManifestFile::open(path);
  for (const char* text : {"old", "new"}) {
    (*manifest)->append(line(3, text));
    (*manifest)->append(line(1));
  }
  CHECK(!(*manifest)->sort());
  CHECK(contents(path) == line(1) + "\n" + line(3, "new") + "\n");
}

TEST_CASE("a full disk ends the run, and no piece of a line stays") {
  const auto full = ManifestFile::open("/dev/full");
  REQUIRE(full.ok());
  const auto error = (*full)->append(line(1));
  REQUIRE(error);
  CHECK(error->fatal);
  CHECK(error->message.find("'/dev/full'") != std::string::npos);
}

TEST_CASE("the stage write_manifest writes a line for each record and sorts them at its end") {
  const TempFolder folder;
  const auto stage = testing::stage_type("write_manifest").make();
  REQUIRE(!stage->open({folder.path(), 42}));
  const std::vector<std::uint32_t> path;
  for (const std::uint64_t index : {2U, 0U, 1U}) {
    const RecordKey record{"r" + std::to_string(index), 0, index, 0};
    AnyGathered gathered;
    gathered.ended = {ended({}, {}, "load", Error{"bad_json", "x"})};
    CHECK(stage->gather(gathered, Item{record, path, 42, 1}).ok());
  }
  CHECK(!stage->close());
  const std::string manifest = contents(folder.path() / "manifest.jsonl");
  CHECK(manifest.find("\"r0\"") < manifest.find("\"r1\""));
  CHECK(manifest.find("\"r1\"") < manifest.find("\"r2\""));
  CHECK(std::ranges::count(manifest, '\n') == 3);

  for (const std::string name : {"", "../x", "a/b", ".x"}) {
    testing::set_param<std::string>(*stage, "write_manifest", "file", name);
    CHECK(testing::check_errors(*stage).size() == 1);
  }
}
