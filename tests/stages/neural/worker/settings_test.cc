#include "stages/neural/worker/settings.h"

#include <doctest/doctest.h>
#include <flowtts/diagnostics.h>

#include "core/config/yaml_tree.h"
#include "stages/neural/voice.h"
#include "tests/stages/temp_folder.h"

using namespace flowtts;
using flowtts::testing::TempFolder;

namespace {

constexpr const char* kHead =
    "flowtts_voice: 1\nname: v\nformat: worker\nsample_rate: 24000\nfront_end: {type: text}\n"
    "speakers: [a]\n";

std::string without_folder(std::string text, const TempFolder& folder) {
  const std::string name = folder.path().string();
  for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos;) {
    text.replace(at, name.size(), "DIR");
  }
  return text;
}

}  // namespace

TEST_CASE("A worker's voice says how its processes are started and watched") {
  const TempFolder folder;
  folder.write("voice.py", "pass");
  folder.write("weights.bin", "w");
  const auto voice = read_voice(folder.write("v.yaml", std::string(kHead) + R"(
command: [python3, -u, voice.py, --weights, weights.bin]
options: {rate: 1.5, count: 3, on: true, off: null, text: "3", list: [a, 1], more: {deep: x}}
limits: {max_tokens: 500, max_words: 60, max_batch: 8}
start_timeout_s: 10
item_timeout_s: 2.5
heartbeat_timeout_s: 5
memory: 6GiB
recycle: {after_items: 2000}
)"),
                                true);
  if (voice.is_error()) FAIL(voice.error().message);
  const WorkerSettings& worker = voice->worker;
  CHECK(worker.command ==
        std::vector<std::string>{"python3", "-u", "voice.py", "--weights", "weights.bin"});
  CHECK(
      worker.options ==
      R"({"rate":1.5,"count":3,"on":true,"off":null,"text":"3","list":["a",1],"more":{"deep":"x"}})");
  CHECK(voice->max_words == 60);
  CHECK(worker.max_batch == 8);
  CHECK(worker.start_timeout_s == 10);
  CHECK(worker.item_timeout_s == 2.5);
  CHECK(worker.heartbeat_timeout_s == 5);
  CHECK(worker.memory == std::uint64_t{6} << 30U);
  CHECK(worker.recycle_after_items == 2000);
  CHECK(worker.files == std::vector<std::filesystem::path>{folder.path() / "voice.py",
                                                           folder.path() / "weights.bin"});
  CHECK(voice->model.empty());
}

TEST_CASE("The hash of a worker's voice changes with its scripts") {
  const TempFolder folder;
  folder.write("voice.py", "one");
  const std::string file =
      folder.write("v.yaml", std::string(kHead) + "command: [python3, voice.py]\n");
  const std::string first = read_voice(file, true).value().hash;
  CHECK(read_voice(file, true).value().hash == first);
  folder.write("voice.py", "two");
  CHECK(read_voice(file, true).value().hash != first);
}

TEST_CASE("A worker may be given a model, a file or a folder") {
  const TempFolder folder;
  folder.write("model.onnx", "w");
  std::filesystem::create_directory(folder.path() / "model");
  for (const std::string model : {"model", "model.onnx"}) {
    const auto voice = read_voice(
        folder.write("v.yaml", std::string(kHead) + "command: [cat]\nmodel: " + model + "\n"),
        true);
    if (voice.is_error()) FAIL(voice.error().message);
    CHECK(voice->model == folder.path() / model);
  }
}

TEST_CASE("What is wrong with a worker's voice is said with its place") {
  struct Case {
    std::string lines;
    std::string message;
  };
  const Case cases[] = {
      {"",
       "DIR/v.yaml: error[missing-key]: voice: 'command' is required: the program and its "
       "arguments, as [python3, voice.py]"},
      {"command: []",
       "DIR/v.yaml:7:10: error[missing-value]: voice: 'command': a program is needed, as [python3, "
       "voice.py]"},
      {"command: [python3, gone.py]",
       "DIR/v.yaml:7:20: error[missing-file]: voice: 'command': there is no file DIR/gone.py"},
      {"command: [./run]",
       "DIR/v.yaml:7:11: error[missing-file]: voice: 'command': there is no file DIR/run"},
      {"command: [cat]\noptions: [a]",
       "DIR/v.yaml:8:10: error[wrong-type]: voice: 'options': found a list, expected a map: it is "
       "handed to the worker as it is"},
      {"command: [cat]\nitem_timeout_s: 0",
       "DIR/v.yaml:8:17: error[out-of-range]: voice: 'item_timeout_s': 0 is out of range; allowed "
       "is 0.1 to 86400 seconds"},
      {"command: [cat]\nmemory: much",
       "DIR/v.yaml:8:9: error[wrong-type]: voice: 'memory': found 'much', expected a size in bytes "
       "such as 512MiB or 4GiB"},
      {"command: [cat]\nrecycle: {after_item: 3}",
       "DIR/v.yaml:8:1: error[missing-key]: voice 'recycle': 'after_items' is required: sentences "
       "after which a process is replaced\n"
       "DIR/v.yaml:8:11: error[unknown-key]: voice 'recycle': unknown key 'after_item'; allowed is "
       "after_items; did you mean 'after_items'?"},
      {"command: [cat]\nlimits: {max_batch: 0}",
       "DIR/v.yaml:8:21: error[out-of-range]: voice 'limits': 'max_batch': 0 is out of range; "
       "allowed is 1 or more sentences"},
      {"command: [cat]\nmodel: gone",
       "DIR/v.yaml:8:8: error[missing-file]: voice: 'model': there is no file or folder DIR/gone"},
  };
  for (const Case& each : cases) {
    INFO(each.lines);
    const TempFolder folder;
    const auto voice = read_voice(folder.write("v.yaml", kHead + each.lines + "\n"), true);
    REQUIRE(voice.is_error());
    CHECK(without_folder(voice.error().message, folder) == each.message);
  }
}
