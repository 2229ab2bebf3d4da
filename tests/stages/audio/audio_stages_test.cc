#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <flowtts/payloads.h>

#include "stages/audio/audio_encoder.h"
#include "stages/audio/audio_folder.h"
#include "stages/audio/audio_reader.h"
#include "stages/audio/pcm16.h"
#include "tests/stages/stage_helpers.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::check_errors;
using flowtts::testing::LooseItem;
using flowtts::testing::set_param;
using flowtts::testing::stage_type;
using flowtts::testing::TempFolder;

namespace {

Audio spoken(std::uint32_t turn, std::uint32_t sentence) {
  auto conversation = std::make_shared<Conversation>();
  auto speech = std::make_shared<Speech>();
  speech->sentence = {conversation, turn, sentence, "Hi.", "Hi."};
  speech->speaker = "slt";
  return {std::vector<float>(100, 0.25F), 22050, speech};
}

Result<AudioFile> write(AnyStage& stage, Audio audio, const Item& item) {
  const Result<AnyPayload> made = stage.process(AnyPayload::of(std::move(audio)), item);
  if (!made.ok()) return made.error();
  return *made->as<AudioFile>();
}

std::vector<std::string> files_below(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      names.push_back(entry.path().lexically_relative(folder).generic_string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// A stage write_audio that is open on a folder.
struct Writer {
  explicit Writer(const TempFolder& folder) : context{folder.path(), 42} {
    const std::optional<Error> error = stage->open(context);
    REQUIRE(!error);
  }
  ~Writer() { stage->close(); }

  RunContext context;
  std::unique_ptr<AnyStage> stage = stage_type("write_audio").make();
};

}  // namespace

TEST_CASE("a sentence's audio is written as a whole under its name, and nothing else is left") {
  const TempFolder folder;
  Writer writer(folder);
  const LooseItem loose;
  Audio audio = spoken(2, 1);
  audio.samples[7] = -1.5F;
  const auto speech = audio.speech;
  const auto made = write(*writer.stage, audio, loose.item);
  REQUIRE(made.ok());
  CHECK(made->path.starts_with("audio/"));
  CHECK(made->path.ends_with("/sft_a_2_1.wav"));
  CHECK(made->sample_rate == 22050);
  CHECK(made->samples == 100);
  CHECK(made->peak == 1.5F);
  CHECK(made->clipped == 1);
  CHECK(made->speech == speech);
  CHECK(files_below(folder.path()) == std::vector<std::string>{made->path});
  const auto encoded = encode_audio(audio.samples, 22050, AudioFormat{});
  CHECK(testing::read_whole_file(folder.path() / made->path) == encoded->bytes());
}

TEST_CASE("audio of 16 bits is written into the same file as the floats that it was made of") {
  for (const std::string_view subtype : {"pcm_16", "pcm_24", "float"}) {
    CAPTURE(subtype);
    const TempFolder folder;
    Writer writer(folder);
    set_param<std::string>(*writer.stage, "write_audio", "subtype", std::string(subtype));
    const LooseItem loose;
    Audio audio = spoken(2, 1);
    audio.samples[7] = -1.5F;
    Audio pcm = audio;
    pcm.samples.clear();
    pcm.pcm = std::make_shared<const Pcm16>(*quantize(audio.samples));
    const auto made = write(*writer.stage, pcm, loose.item);
    REQUIRE(made.ok());
    CHECK(made->samples == 100);
    CHECK(made->peak == 1.5F);
    CHECK(made->clipped == 1);
    CHECK(made->seconds() == audio.seconds());
    if (subtype == "pcm_16") CHECK(write(*writer.stage, audio, loose.item).ok());  // the same bytes
    const auto back = read_audio_file(folder.path() / made->path, 10);
    REQUIRE(back.ok());
    CHECK(back->samples == pcm.floats());
  }
}

TEST_CASE("records with one id, or ids that differ in letter case, have files of their own") {
  const TempFolder folder;
  Writer writer(folder);
  const std::vector<std::uint32_t> path;
  std::set<std::string> paths;
  for (const RecordKey& record :
       {RecordKey{"a", 0, 0, 0}, RecordKey{"a", 0, 1, 1}, RecordKey{"A", 0, 2, 2},
        RecordKey{"../a", 0, 3, 0}, RecordKey{"/a", 0, 4, 0}}) {
    const auto made = write(*writer.stage, spoken(0, 0), Item{record, path, 42, 1});
    REQUIRE(made.ok());
    paths.insert(made->path);
  }
  CHECK(paths.size() == 5);
  const std::vector<std::string> found = files_below(folder.path());
  CHECK(std::set<std::string>(found.begin(), found.end()) == paths);
}

TEST_CASE("a second attempt replaces what the first has left; no other file is ever overwritten") {
  const TempFolder folder;
  Writer writer(folder);
  const RecordKey record{"a", 0, 0, 0};
  const std::vector<std::uint32_t> path;
  const auto first = write(*writer.stage, spoken(0, 0), Item{record, path, 42, 1});
  REQUIRE(first.ok());
  const std::filesystem::path file = folder.path() / first->path;
  const std::string bytes = testing::read_whole_file(file);
  CHECK(write(*writer.stage, spoken(0, 0), Item{record, path, 42, 1}).ok());  // The same bytes.

  Audio other = spoken(0, 0);
  other.samples[0] = 0.5F;
  const auto refused = write(*writer.stage, other, Item{record, path, 42, 1});
  REQUIRE(refused.is_error());
  CHECK(refused.error().code == "file_exists");
  CHECK(refused.error().message.find(file.string()) != std::string::npos);
  CHECK(testing::read_whole_file(file) == bytes);

  CHECK(write(*writer.stage, other, Item{record, path, 42, 2}).ok());
  CHECK(testing::read_whole_file(file) != bytes);
  CHECK(files_below(folder.path()).size() == 1);
}

TEST_CASE("many threads write many files") {
  const TempFolder folder;
  Writer writer(folder);
  std::vector<std::thread> threads;
  std::vector<int> failures(4, 0);
  for (std::uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const std::vector<std::uint32_t> path;
      for (std::uint32_t i = 0; i < 50; ++i) {
        const RecordKey record{"id" + std::to_string(i), 0, i, 0};
        if (!write(*writer.stage, spoken(thread, 0), Item{record, path, 42, 1}).ok())
          ++failures[thread];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == std::vector<int>(4, 0));
  CHECK(files_below(folder.path()).size() == 200);
}

TEST_CASE("a file that cannot be written is an error with its path and leaves nothing behind") {
  const TempFolder folder;
  Writer writer(folder);
  const LooseItem loose;
  REQUIRE(write(*writer.stage, spoken(0, 0), loose.item).ok());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 100;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto refused = write(*writer.stage, spoken(0, 1), loose.item);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  REQUIRE(refused.is_error());
  CHECK(refused.error().code == "write_failed");
  CHECK(refused.error().message.find("sft_a_0_1.wav'") != std::string::npos);
  CHECK(files_below(folder.path()).size() == 1);
  CHECK(write(*writer.stage, spoken(0, 1), loose.item).ok());
}

TEST_CASE("two stages that would write the same names are refused") {
  const TempFolder folder;
  Writer writer(folder);
  const auto second = stage_type("write_audio").make();
  const auto error = second->open(writer.context);
  REQUIRE(error);
  CHECK(error->code == "folder_in_use");
  second->close();

  const auto flac = stage_type("write_audio").make();
  set_param<std::string>(*flac, "write_audio", "format", "flac");
  CHECK(!flac->open(writer.context));
  flac->close();
  writer.stage->close();
  CHECK(!second->open(writer.context));
  second->close();
}

TEST_CASE("write_audio says what is wrong with its parameters") {
  const auto stage = stage_type("write_audio").make();
  CHECK(check_errors(*stage).empty());
  set_param<std::string>(*stage, "write_audio", "format", "flac");
  set_param<std::string>(*stage, "write_audio", "subtype", "float");
  set_param<std::string>(*stage, "write_audio", "name", "{speker}");
  set_param<std::string>(*stage, "write_audio", "folder", "../other");
  const std::vector<std::string> errors = check_errors(*stage);
  REQUIRE(errors.size() == 3);
  CHECK(errors[0] == "subtype: flac has no subtype 'float'; allowed are pcm_16 and pcm_24");
  CHECK(errors[1].find("did you mean 'speaker'") != std::string::npos);
  CHECK(errors[2] ==
        "folder: '../other' has '..' in it; a path below the output folder is expected");
  for (const std::string_view folder : {"", "/tmp", "a/../../b"})
    CHECK(!folder_objection(folder).empty());
  for (const std::string_view folder : {"audio", "a/b", "."})
    CHECK(folder_objection(folder).empty());
}

TEST_CASE("read_audio gives the files of a folder in order, as one channel") {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path() / "b" / "c");
  std::filesystem::create_directories(folder.path() / ".hidden");
  const auto encoded = encode_audio(std::vector<float>{0.5F, -0.5F}, 8000, AudioFormat{});
  const auto flac =
      encode_audio(std::vector<float>{0.5F}, 8000, AudioFormat::of("flac", "pcm_16").value());
  for (const std::string_view name :
       {"b/c/z.wav", "a.wav", "A.WAV", "b.wav", ".hidden/x.wav", ".part.wav"}) {
    folder.write(name, encoded->bytes());
  }
  folder.write("a.flac", flac->bytes());
  folder.write("broken.wav", "RIFF");
  folder.write("notes.txt", "no audio");

  const auto stage = stage_type("read_audio").make();
  set_param<std::string>(*stage, "read_audio", "path", folder.path().string());
  CHECK(check_errors(*stage).empty());
  REQUIRE(!stage->open({}));
  std::vector<std::string> records;
  const auto keep = [](const RecordKey& key) { return key.id != "b"; };
  while (auto record = stage->next(keep)) {
    std::string text = record->key.id + " " + std::to_string(record->key.occurrence);
    if (record->payload.ok()) {
      const auto* audio = record->payload.value().as<Audio>();
      REQUIRE(audio != nullptr);
      text +=
          " " + std::to_string(audio->samples.size()) + " at " + std::to_string(audio->sample_rate);
    } else {
      text += " " + record->payload.error().code;
    }
    records.push_back(text);
  }
  stage->close();
  CHECK(records == std::vector<std::string>{"A 0 2 at 8000", "a 1 1 at 8000", "a 2 2 at 8000",
                                            "b/c/z 0 2 at 8000", "broken 0 unreadable_audio"});
}

TEST_CASE("read_audio takes a file or a pattern as well, and says where there is nothing") {
  const TempFolder folder;
  const auto encoded = encode_audio(std::vector<float>(8001, 0.5F), 8000, AudioFormat{});
  folder.write("x1.wav", encoded->bytes());
  folder.write("x2.wav", encoded->bytes());
  folder.write("y.wav", encoded->bytes());
  const std::string base = folder.path().string();
  const auto names = [](const std::string& where) {
    std::vector<std::string> found;
    const auto files = find_audio_files(where);
    REQUIRE(files.ok());
    for (const NamedFile& file : *files) found.push_back(file.name);
    return found;
  };
  CHECK(names(base + "/x*.wav") == std::vector<std::string>{"x1", "x2"});
  CHECK(names(base + "/y.wav") == std::vector<std::string>{"y"});
  for (const std::string& where : {base + "/z*.wav", base + "/nowhere"}) {
    const auto none = find_audio_files(where);
    REQUIRE(none.is_error());
    CHECK(none.error().code == "no_audio");
    CHECK(none.error().message.find(where) != std::string::npos);
  }
  const auto too_long = read_audio_file(base + "/y.wav", 1.0);
  REQUIRE(too_long.is_error());
  CHECK(too_long.error().code == "too_long");
}

TEST_CASE("channels are mixed into their mean") {
  // 16-bit WAV with two channels: (16384, 0), (-16384, 16384).
  const std::string bytes(
      "RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\2\0\x40\x1f\0\0\0\x7d\0\0\4\0\x10\0data\x8\0\0\0"
      "\0\x40\0\0\0\xc0\0\x40",
      52);
  const TempFolder folder;
  const auto audio = read_audio_file(folder.write("stereo.wav", bytes), 10);
  REQUIRE(audio.ok());
  CHECK(audio->samples == std::vector<float>{0.25F, 0.0F});
}
