#include "stages/neural/voice_cache.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "stages/neural/card.h"
#include "tests/stages/temp_folder.h"

using flowtts::cache_folder;
using flowtts::cache_root;
using flowtts::find_compiled;
using flowtts::VoiceConfig;
using flowtts::VoiceKey;
using flowtts::testing::TempFolder;

namespace {

/// Environment variables for a test; what they were comes back with the end of the object.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::optional<std::string>>& values) {
    for (const auto& [name, value] : values) {
      const char* old = std::getenv(name.c_str());
      before_[name] = old ? std::optional<std::string>(old) : std::nullopt;
      set(name, value);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_) set(name, value);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  static void set(const std::string& name, const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name.c_str(), value->c_str(), 1);
    } else {
      ::unsetenv(name.c_str());
    }
  }

  std::map<std::string, std::optional<std::string>> before_;
};

constexpr const char* kHash = "0123456789abcdef0123456789abcdef";

/// A cache of its own with one whole package of one voice in it.
class Cache {
 public:
  Cache() : environment_({{"FLOWTTS_CACHE_DIR", folder_.path() / "cache"}}) {
    voice_.name = "plain";
    voice_.hash = kHash;
    voice_.exporter = folder_.write("export.py", "def export(): pass");
    std::filesystem::create_directories(entry());
    write("render-1.pt2", "the package");
    write("compiled.json", description());
  }

  const VoiceConfig& voice() const { return voice_; }
  VoiceKey key() const { return {kHash, "NVIDIA H200", "2.11.0", "float16"}; }
  std::filesystem::path entry() const { return cache_folder(key()); }
  std::string description() const {
    return R"({"format": 1, "voice": "plain", "voice_hash": ")" + std::string(kHash) +
           R"(", "exporter_hash": ")" + exporter_hash(voice_) +
           R"(", "card": "NVIDIA H200", "compute_capability": "9.0", "torch": "2.11.0", )"
           R"("precision": "float16", "bytes": 11, "compile_seconds": 61.5, )"
           R"("largest_difference": 1.2e-05, "spectral_error": 0.001, "package": "render-1.pt2"})";
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(entry() / name, std::ios::binary) << text;
  }
  void change_exporter() const { folder_.write("export.py", "def export(): return 1"); }
  std::optional<flowtts::CompiledVoice> find() const {
    return find_compiled(voice_, "NVIDIA H200", "2.11.0", "float16");
  }

 private:
  TempFolder folder_;
  Environment environment_;
  VoiceConfig voice_;
};

}  // namespace

TEST_CASE("The cache lies where its variable says, or where the system keeps caches") {
  const auto root = [](std::optional<std::string> own, std::optional<std::string> shared,
                       std::optional<std::string> home) {
    const Environment environment(
        {{"FLOWTTS_CACHE_DIR", own}, {"XDG_CACHE_HOME", shared}, {"HOME", home}});
    return cache_root().string();
  };
  CHECK(root("/own", "/shared", "/home/a") == "/own");
  CHECK(root("", "/shared", "/home/a") == "/shared/flowtts");
  CHECK(root(std::nullopt, "relative", "/home/a") == "/home/a/.cache/flowtts");
  CHECK(root(std::nullopt, std::nullopt, "/home/a") == "/home/a/.cache/flowtts");
  CHECK(root(std::nullopt, std::nullopt, std::nullopt).empty());
}

TEST_CASE("A compiled voice is found by voice, card, version and precision, and by nothing less") {
  const Cache cache;
  CHECK(cache.entry().filename() == "NVIDIA-H200-torch-2.11.0-float16");
  const auto found = cache.find();
  REQUIRE(found);
  CHECK(found->package == cache.entry() / "render-1.pt2");
  CHECK(found->voice == "plain");
  CHECK(found->bytes == 11);
  CHECK(found->compile_seconds == 61.5);
  CHECK(found->largest_difference == 1.2e-05);
  CHECK(found->spectral_error == 0.001);
  CHECK_FALSE(find_compiled(cache.voice(), "NVIDIA H100", "2.11.0", "float16"));
  CHECK_FALSE(find_compiled(cache.voice(), "NVIDIA-H200", "2.11.0", "float16"));
  CHECK_FALSE(find_compiled(cache.voice(), "NVIDIA H200", "2.12.0", "float16"));
  CHECK_FALSE(find_compiled(cache.voice(), "NVIDIA H200", "2.11.0", "float32"));
  VoiceConfig other = cache.voice();
  other.hash = "ffff";
  CHECK_FALSE(find_compiled(other, "NVIDIA H200", "2.11.0", "float16"));
  other.hash.clear();
  CHECK_FALSE(find_compiled(other, "NVIDIA H200", "2.11.0", "float16"));
}

TEST_CASE("A compiled voice of an exporter that has changed since is not taken") {
  const Cache cache;
  cache.change_exporter();
  CHECK_FALSE(cache.find());
}

TEST_CASE("A torn entry of the cache is none") {
  struct Case {
    const char* name;
    const char* file;
    std::string text;
  };
  const Cache cache;
  const std::string whole = cache.description();
  const auto with = [&](const std::string& old, const std::string& put) {
    std::string text = whole;
    return text.replace(text.find(old), old.size(), put);
  };
  const Case cases[] = {
      {"half a package", "render-1.pt2", "the pack"},
      {"no description", "compiled.json", ""},
      {"half a description", "compiled.json", whole.substr(0, whole.size() / 2)},
      {"another format", "compiled.json", with("\"format\": 1", "\"format\": 2")},
      {"a package that is gone", "compiled.json", with("render-1.pt2", "render-2.pt2")},
      {"a package elsewhere", "compiled.json", with("render-1.pt2", "../render-1.pt2")},
      {"no size", "compiled.json", with("\"bytes\": 11", "\"bytes\": 0")},
      {"a list", "compiled.json", "[1, 2]"},
  };
  for (const Case& each : cases) {
    INFO(each.name);
    cache.write("render-1.pt2", "the package");
    cache.write("compiled.json", whole);
    REQUIRE(cache.find());
    REQUIRE(flowtts::list_compiled().size() == 1);
    cache.write(each.file, each.text);
    CHECK_FALSE(cache.find());
    CHECK(flowtts::list_compiled().empty());
  }
}

TEST_CASE("All that the cache holds is listed") {
  const Cache cache;
  const VoiceKey other{"abcd", "CPU 1", "2.11.0", "float32"};
  CHECK_FALSE(flowtts::write_note(other, "preflight.json", "{}"));  // a folder without a package
  const auto list = flowtts::list_compiled();
  REQUIRE(list.size() == 1);
  CHECK(list.front().key.voice_hash == kHash);
  CHECK(list.front().key.card == "NVIDIA H200");
}

TEST_CASE("A note is read as it was written, and replaced as a whole") {
  const TempFolder folder;
  const Environment environment({{"FLOWTTS_CACHE_DIR", folder.path() / "deep/cache"}});
  const VoiceKey key{kHash, "NVIDIA H200", "2.11.0", "float16"};
  CHECK_FALSE(flowtts::read_note(key, "preflight.json"));
  CHECK_FALSE(flowtts::write_note(key, "preflight.json", "{\"bytes\": 1}\n"));
  CHECK(flowtts::read_note(key, "preflight.json") == "{\"bytes\": 1}\n");
  CHECK_FALSE(flowtts::write_note(key, "preflight.json", "{}"));
  CHECK(flowtts::read_note(key, "preflight.json") == "{}");
  const VoiceKey half{kHash, "NVIDIA H200", "2.11.0", "bfloat16"};
  CHECK_FALSE(flowtts::read_note(half, "preflight.json"));
}

TEST_CASE("A note that cannot be written is an error that names the place") {
  const TempFolder folder;
  const std::string file = folder.write("file", "");
  const Environment environment({{"FLOWTTS_CACHE_DIR", file}});
  const auto error = flowtts::write_note({kHash, "a", "b", "c"}, "preflight.json", "{}");
  REQUIRE(error);
  CHECK(error->message.find(file) != std::string::npos);
  const Environment nowhere({{"FLOWTTS_CACHE_DIR", std::nullopt},
                             {"XDG_CACHE_HOME", std::nullopt},
                             {"HOME", std::nullopt}});
  const auto homeless = flowtts::write_note({kHash, "a", "b", "c"}, "preflight.json", "{}");
  REQUIRE(homeless);
  CHECK(homeless->code == "no_cache");
}

TEST_CASE("Two processes that write the same note leave one of both whole") {
  const TempFolder folder;
  const Environment environment({{"FLOWTTS_CACHE_DIR", folder.path().string()}});
  const VoiceKey key{kHash, "NVIDIA H200", "2.11.0", "float16"};
  const std::string texts[] = {std::string(100'000, 'a'), std::string(50'000, 'b')};
  pid_t children[2];
  for (int i = 0; i < 2; ++i) {
    children[i] = ::fork();
    if (children[i] != 0) continue;
    bool good = true;
    for (int round = 0; round < 20; ++round) {
      good = good && !flowtts::write_note(key, "preflight.json", texts[i]);
      const auto found = flowtts::read_note(key, "preflight.json");
      good = good && found && (*found == texts[0] || *found == texts[1]);
    }
    ::_exit(good ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(cache_folder(key))) {
    ++files;
  }
  CHECK(files == 1);
}

TEST_CASE("The CPU has a name that tells what it can compute with, and no GPU is made up") {
  const auto cpu = flowtts::card_name({});
  REQUIRE(cpu);
  CHECK(cpu->size() > 9);
  CHECK(*cpu == *flowtts::card_name({}));
  CHECK_FALSE(flowtts::card_name({flowtts::DeviceKind::kCuda, 999}));
}
