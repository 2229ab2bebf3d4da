#include "stages/neural/voice.h"

#include <doctest/doctest.h>
#include <flowtts/diagnostics.h>

#include "stages/text/front_end.h"
#include "tests/stages/temp_folder.h"

using flowtts::read_voice;
using flowtts::VoiceConfig;
using flowtts::testing::TempFolder;

namespace {

constexpr const char* kGood = R"(flowtts_voice: 1
name: plain
format: torchscript
model: plain.pt
sample_rate: 22050
hop: 256
languages: [en, de]
front_end: {type: flite_us}
speakers: [anna, bob]
limits: {max_tokens: 300}
parts: {plan: plan, render: render}
precision: float32
gate: {seconds_per_character: [0.03, 1.5]}
)";

/// The good file with one line in place of another; the line's number stays.
std::string with_line(const std::string& old_line, const std::string& new_line) {
  std::string text = kGood;
  const std::size_t at = text.find(old_line + "\n");
  REQUIRE(at != std::string::npos);
  return text.replace(at, old_line.size(), new_line);
}

/// The message for a voice file, with the folder's name as "DIR".
std::string message_of(const std::string& text) {
  const TempFolder folder;
  folder.write("plain.pt", "weights");
  const auto voice = read_voice(folder.write("v.yaml", text), false);
  REQUIRE(voice.is_error());
  CHECK(voice.error().code == "bad_voice");
  CHECK(voice.error().fatal);
  std::string message = voice.error().message;
  const std::string name = folder.path().string();
  for (std::size_t at = 0; (at = message.find(name, at)) != std::string::npos;) {
    message.replace(at, name.size(), "DIR");
  }
  return message;
}

}  // namespace

TEST_CASE("A voice file says all that there is to know of a voice") {
  const TempFolder folder;
  folder.write("plain.pt", "weights");
  const auto voice = read_voice(folder.write("v.yaml", kGood), true);
  if (voice.is_error()) FAIL(voice.error().message);
  CHECK(voice->name == "plain");
  CHECK(voice->format == "torchscript");
  CHECK(voice->model == folder.path() / "plain.pt");
  CHECK(voice->sample_rate == 22050);
  CHECK(voice->hop == 256);
  CHECK(voice->languages == std::vector<std::string>{"en", "de"});
  CHECK(voice->front_end == "flite_us");
  CHECK(voice->speakers == std::vector<std::string>{"anna", "bob"});
  CHECK(voice->max_tokens == 300);
  CHECK(voice->max_words == 0);
  CHECK(voice->plan_method == "plan");
  CHECK(voice->render_method == "render");
  CHECK(voice->min_seconds_per_character == 0.03);
  CHECK(voice->max_seconds_per_character == 1.5);
  CHECK(voice->hash.size() == 32);
  CHECK(voice->label() == "plain@" + voice->hash.substr(0, 8));
}

TEST_CASE("A voice file may leave out all but the necessary") {
  const TempFolder folder;
  folder.write("m.pt", "weights");
  const auto voice = read_voice(folder.write("v.yaml", R"(flowtts_voice: 1
name: small
format: torchscript
model: m.pt
sample_rate: 16000
front_end: {type: flite_us}
speakers: one
)"),
                                false);
  if (voice.is_error()) FAIL(voice.error().message);
  CHECK(voice->speakers == std::vector<std::string>{"one"});
  CHECK(voice->hop == 0);
  CHECK(voice->max_tokens == 0);
  CHECK(voice->plan_method.empty());
  CHECK(voice->exporter.empty());
  CHECK(voice->hash.empty());
  CHECK(voice->label() == "small");
}

TEST_CASE("A voice that can be compiled names the file that exports it") {
  const TempFolder folder;
  folder.write("plain.pt", "weights");
  folder.write("export.py", "def export(): pass");
  const auto voice = read_voice(
      folder.write("v.yaml", with_line("precision: float32", "compile: {exporter: export.py}")),
      false);
  if (voice.is_error()) FAIL(voice.error().message);
  CHECK(voice->exporter == folder.path() / "export.py");
}

TEST_CASE("The voice that FlowTTS comes with can be read") {
  const auto voice = read_voice("configs/voices/default.yaml", true);
  if (voice.is_error()) FAIL(voice.error().message);
  CHECK(voice->speakers == std::vector<std::string>{"slt", "rms", "awb", "kal16"});
}

TEST_CASE("A voice of a format without a model is read, and hashed by its file alone") {
  const auto voice = read_voice("configs/voices/tones.yaml", true);
  if (voice.is_error()) FAIL(voice.error().message);
  CHECK(voice->model.empty());
  CHECK(voice->hash.size() == 32);
}

TEST_CASE("The hash changes with the file and with the model, and with nothing else") {
  const TempFolder here, there;
  for (const TempFolder* folder : {&here, &there}) folder->write("plain.pt", "weights");
  const auto hash = [](const TempFolder& folder, const std::string& text) {
    return read_voice(folder.write("v.yaml", text), true).value().hash;
  };
  const std::string first = hash(here, kGood);
  CHECK(hash(there, kGood) == first);
  CHECK(hash(there, with_line("name: plain", "name: other")) != first);
  here.write("plain.pt", "other weights");
  CHECK(hash(here, kGood) != first);
}

TEST_CASE("A front end's table is found beside the voice file, and belongs to the voice's hash") {
  const TempFolder folder;
  folder.write("plain.pt", "weights");
  folder.write("vocab.json", "{\"a\": 1}");
  const std::string file = folder.write(
      "v.yaml", with_line("front_end: {type: flite_us}",
                          "front_end: {type: characters, table: vocab.json, add_blank: true}"));
  const auto voice = read_voice(file, true);
  if (voice.is_error()) FAIL(voice.error().message);
  CHECK(voice->front_end_options.table == folder.path() / "vocab.json");
  CHECK(voice->front_end_options.add_blank);
  CHECK_FALSE(voice->front_end_options.lower);
  CHECK(voice->front_end_options.languages == voice->languages);
  folder.write("vocab.json", "{\"a\": 2}");
  CHECK(read_voice(file, true)->hash != voice->hash);
}

TEST_CASE(
    "What is wrong with a voice file is said with its place, what was found and what is allowed") {
  struct Case {
    std::string text;
    std::string message;
  };
  const Case cases[] = {
      {with_line("name: plain", "nmae: plain"),
       "DIR/v.yaml: error[missing-key]: voice: 'name' is required: what the voice is called\n"
       "DIR/v.yaml:2:1: error[unknown-key]: voice: unknown key 'nmae'; allowed is front_end, "
       "limits, parts, gate, compile, sha256, command, options, start_timeout_s, item_timeout_s, "
       "heartbeat_timeout_s, memory, recycle, flowtts_voice, name, format, model, sample_rate, "
       "hop, languages, speakers or precision; did you mean 'name'?"},
      {with_line("flowtts_voice: 1", "flowtts_voice: 2"),
       "DIR/v.yaml:1:16: error[unknown-version]: voice: 'flowtts_voice': this is version 2; this "
       "FlowTTS reads version 1"},
      {with_line("format: torchscript", "format: torchscrpit"),
       "DIR/v.yaml:3:9: error[unknown-choice]: voice: 'format': 'torchscrpit' is not allowed; "
       "allowed "
       "is " +
           flowtts::list_words(flowtts::voice_formats()) + "; did you mean 'torchscript'?"},
      {with_line("model: plain.pt", "model: gone/plain.pt"),
       "DIR/v.yaml:4:8: error[missing-file]: voice: 'model': there is no file DIR/gone/plain.pt"},
      {with_line("model: plain.pt", ""),
       "DIR/v.yaml: error[missing-key]: voice: 'model' is required: the model file, relative to "
       "the voice file"},
      {with_line("format: torchscript", "format: tones"),
       "DIR/v.yaml:4:8: error[misplaced-key]: voice: 'model': a voice of the format 'tones' has "
       "none"},
      {with_line("sample_rate: 22050", "sample_rate: fast"),
       "DIR/v.yaml:5:14: error[wrong-type]: voice: 'sample_rate': found 'fast', expected an "
       "integer"},
      {with_line("sample_rate: 22050", "sample_rate: 22"),
       "DIR/v.yaml:5:14: error[out-of-range]: voice: 'sample_rate': 22 is out of range; allowed is "
       "1000 to 384000 hertz"},
      {with_line("hop: 256", "languages: [fr]"),
       "DIR/v.yaml:7:1: error[duplicate-key]: 'languages' is given twice; the first is at 6:1"},
      {with_line("hop: 256", ""),
       "DIR/v.yaml:11:8: error[missing-key]: voice: 'hop' is required where the model has 'parts': "
       "samples a frame"},
      {with_line("front_end: {type: flite_us}", "front_end: {type: flite}"),
       "DIR/v.yaml:8:19: error[unknown-choice]: voice 'front_end': 'type': 'flite' is not allowed; "
       "allowed is " +
           flowtts::list_words(flowtts::front_end_types())},
      {with_line("front_end: {type: flite_us}", ""),
       "DIR/v.yaml: error[missing-key]: voice 'front_end': 'type' is required: what turns text "
       "into "
       "tokens"},
      {with_line("front_end: {type: flite_us}", "front_end: {type: characters, lower: yes}"),
       "DIR/v.yaml:8:1: error[missing-key]: voice 'front_end': 'table' is required: the JSON file "
       "with each character's token, relative to the voice file\n"
       "DIR/v.yaml:8:38: error[wrong-type]: voice 'front_end': 'lower': found 'yes', expected true "
       "or false"},
      {with_line("front_end: {type: flite_us}", "front_end: {type: characters, table: t.json}"),
       "DIR/v.yaml:8:38: error[missing-file]: voice 'front_end': 'table': there is no file "
       "DIR/t.json"},
      {with_line("front_end: {type: flite_us}", "front_end: {type: flite_us, table: t.json}"),
       "DIR/v.yaml:8:29: error[unknown-key]: voice 'front_end': unknown key 'table'; allowed is "
       "type"},
      {with_line("speakers: [anna, bob]", "speakers: []"),
       "DIR/v.yaml:9:11: error[missing-value]: voice: 'speakers': at least one is needed"},
      {with_line("speakers: [anna, bob]", "speakers: [anna, bob, anna, random]"),
       "DIR/v.yaml:9:23: error[duplicate-name]: voice: 'speakers': 'anna' is there twice\n"
       "DIR/v.yaml:9:29: error[bad-name]: voice: 'speakers': 'random' cannot be a name"},
      {with_line("limits: {max_tokens: 300}", "limits: {max_tokens: 0, max_wrods: 3}"),
       "DIR/v.yaml:10:22: error[out-of-range]: voice 'limits': 'max_tokens': 0 is out of range; "
       "allowed is 1 or more tokens\n"
       "DIR/v.yaml:10:25: error[unknown-key]: voice 'limits': unknown key 'max_wrods'; allowed is "
       "max_tokens or max_words; did you mean 'max_words'?"},
      {with_line("languages: [en, de]", "command: [python3, v.py]"),
       "DIR/v.yaml:7:1: error[misplaced-key]: voice: 'command': a voice of the format "
       "'torchscript' has no workers; 'format: worker' has"},
      {with_line("parts: {plan: plan, render: render}", "parts: {plan: plan}"),
       "DIR/v.yaml:11:1: error[missing-key]: voice 'parts': 'render' is required: the method that "
       "makes the audio"},
      {with_line("precision: float32", "precision: float16"),
       "DIR/v.yaml:12:12: error[unknown-choice]: voice: 'precision': 'float16' is not allowed; "
       "allowed is float32; did you mean 'float32'?"},
      {with_line("gate: {seconds_per_character: [0.03, 1.5]}",
                 "gate: {seconds_per_character: [1.5, 0.03]}"),
       "DIR/v.yaml:13:31: error[wrong-type]: voice 'gate': 'seconds_per_character' is a list of "
       "two "
       "numbers, the shorter first: [0.035, 1.2]"},
      {with_line("gate: {seconds_per_character: [0.03, 1.5]}", "gate: {seconds_per_word: [0.2]}"),
       "DIR/v.yaml:13:26: error[wrong-type]: voice 'gate': 'seconds_per_word' is a list of two "
       "numbers, the shorter first: [0.1, 6]"},
      {with_line("gate: {seconds_per_character: [0.03, 1.5]}", "gate: 3"),
       "DIR/v.yaml:13:7: error[wrong-type]: voice 'gate': found '3', expected a map of parameters"},
      {with_line("precision: float32", "compile: {exporter: gone.py}"),
       "DIR/v.yaml:12:21: error[missing-file]: voice 'compile': 'exporter': there is no file "
       "DIR/gone.py"},
      {with_line("precision: float32", "compile: {}"),
       "DIR/v.yaml:12:1: error[missing-key]: voice 'compile': 'exporter' is required: the Python "
       "file that exports the render part, relative to the voice file"},
      {with_line("parts: {plan: plan, render: render}", "compile: {exporter: plain.pt}"),
       "DIR/v.yaml:11:10: error[missing-key]: voice: 'parts' is required where the voice has "
       "'compile': only the render part is compiled"},
      {"- a\n- b\n",
       "DIR/v.yaml:1:1: error[wrong-type]: found a list, expected a map: a voice file begins with "
       "'flowtts_voice: 1'"},
      {"", "DIR/v.yaml: error[empty-file]: the file holds no YAML value"},
  };
  for (const Case& each : cases) {
    INFO(each.text);
    CHECK(message_of(each.text) == each.message);
  }
}

TEST_CASE("A voice file that is not there is named") {
  const auto voice = read_voice("/nowhere/v.yaml", false);
  REQUIRE(voice.is_error());
  CHECK(voice.error().message ==
        "/nowhere/v.yaml: error[unreadable-file]: the file cannot be opened: No such file or "
        "directory");
}

TEST_CASE("A voice of a format that nobody has registered is refused with the nearest name") {
  VoiceConfig voice;
  voice.name = "odd";
  voice.format = "torchscripts";
  const auto engine = flowtts::open_voice(voice, {}, {});
  REQUIRE(engine.is_error());
  CHECK(
      engine.error().message.starts_with("voice 'odd' has the format 'torchscripts'; allowed is "));
  CHECK(engine.error().message.ends_with("; did you mean 'torchscript'?"));
}

TEST_CASE("A format has one engine") {
  CHECK_THROWS_WITH(flowtts::register_voice_format({"torchscript", "host", nullptr}),
                    "voice format 'torchscript' is registered twice");
}
