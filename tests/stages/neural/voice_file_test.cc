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

TEST_CASE("The model's own hash is that of its file, whatever the voice file says") {
  const TempFolder folder;
  folder.write("plain.pt", "weights");
  const auto model_hash = [&](const std::string& text) {
    return read_voice(folder.write("v.yaml", text), true).value().model_hash;
  };
  const std::string first = model_hash(kGood);
  CHECK(first.size() == 32);
  CHECK(model_hash(with_line("name: plain", "name: other")) == first);
  CHECK(read_voice(folder.path() / "v.yaml", false).value().model_hash.empty());
  folder.write("plain.pt", "other weights");
  CHECK(model_hash(kGood) != first);
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

TEST_CASE("A voice file names the inputs and outputs of its model") {
  const TempFolder folder;
  folder.write("m.pt", "weights");
  const auto voice = read_voice(folder.write("v.yaml", R"(flowtts_voice: 1
name: named
format: torchscript
model: m.pt
sample_rate: 16000
hop: 256
front_end: {type: flite_us}
speakers: one
inputs:
  x: tokens
  scales: [0.5, length_scale, 2]
  3: speaker
outputs: {audio: wav, lengths: 1, lengths_in: frames}
)"),
                                false);
  if (voice.is_error()) FAIL(voice.error().message);
  const flowtts::ModelIo& io = voice->io;
  using Kind = flowtts::GivenValue::Kind;
  REQUIRE(io.inputs.size() == 3);
  CHECK(io.inputs_where.line == 9);
  CHECK(io.inputs[0].name == "x");
  CHECK_FALSE(io.inputs[0].list);
  CHECK(io.inputs[0].values.front().kind == Kind::kTokens);
  CHECK(io.inputs[1].list);
  REQUIRE(io.inputs[1].values.size() == 3);
  CHECK(io.inputs[1].where.line == 11);
  CHECK(io.inputs[1].where.column == 3);
  CHECK(io.inputs[1].values[0].number == 0.5);
  CHECK_FALSE(io.inputs[1].values[0].whole);
  CHECK(io.inputs[1].values[1].kind == Kind::kLengthScale);
  CHECK(io.inputs[1].values[2].whole);
  CHECK(io.inputs[2].name == "3");
  CHECK(io.audio.name == "wav");
  CHECK(io.lengths.name == "1");
  CHECK(io.lengths_in_frames);
}

TEST_CASE("An ONNX voice needs no command, and its options become its worker's") {
  const TempFolder folder;
  folder.write("m.onnx", "weights");
  folder.write("symbols.txt", "a 1");
  const std::string file = folder.write("v.yaml", R"(flowtts_voice: 1
name: onnx
format: onnx
model: m.onnx
sample_rate: 16000
hop: 256
front_end: {type: text}
speakers: [one, two]
inputs: {x: tokens, scales: [0.5, "length_scale", 2], sid: speaker}
outputs: {audio: 0, lengths: y_lengths, lengths_in: frames}
options: {symbols: symbols.txt, blank: 0, max_batch: 4}
python: some-python
item_timeout_s: 5
limits: {max_batch: 2}
)");
  const auto voice = read_voice(file, true);
  if (voice.is_error()) FAIL(voice.error().message);
  CHECK(voice->worker.command == std::vector<std::string>{"some-python"});
  CHECK(voice->worker.item_timeout_s == 5);
  CHECK(voice->worker.max_batch == 2);
  CHECK(voice->worker.files == std::vector<std::filesystem::path>{folder.path() / "symbols.txt"});
  const std::string at = file + ":";
  CHECK(voice->worker.options ==
        R"({"inputs":{"x":"tokens","scales":[0.5,"length_scale",2],"sid":"speaker"},"output":"0",)"
        R"("output_lengths":"y_lengths","hop":256,"places":{"inputs":")" +
            at + R"(9:1","inputs.x":")" + at + R"(9:10","inputs.scales":")" + at +
            R"(9:21","inputs.sid":")" + at + R"(9:55","output":")" + at +
            R"(10:18","output_lengths":")" + at +
            R"(10:30"},"symbols":"symbols.txt","blank":0,"max_batch":4,"batch_invariant":false,)"
            R"("threads":1})");
  folder.write("symbols.txt", "a 2");
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
       "limits, parts, inputs, outputs, gate, compile, sha256, command, python, options, "
       "start_timeout_s, item_timeout_s, heartbeat_timeout_s, memory, recycle, flowtts_voice, "
       "name, format, model, sample_rate, hop, languages, speakers or precision; did you mean "
       "'name'?"},
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
       "none\n"
       "DIR/v.yaml:11:1: error[misplaced-key]: voice: 'parts': a voice of the format 'tones' has "
       "none: its model is in one part"},
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
       "DIR/v.yaml:11:1: error[missing-key]: voice 'parts': 'render' is required: the method, or "
       "the package's model, that makes the audio"},
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
      {with_line("precision: float32", "inputs: {x: tokens, len: length}"),
       "DIR/v.yaml:12:26: error[unknown-choice]: voice 'inputs': 'len': 'length' is not allowed; "
       "allowed is tokens, lengths, speaker, speed, length_scale or seed, a number, or a list of "
       "these; did you mean 'lengths'?"},
      {with_line("precision: float32", "inputs: {x: [tokens, 1], y: [], z: {a: b}}"),
       "DIR/v.yaml:12:14: error[wrong-type]: voice 'inputs': 'x': 'tokens' are a list by "
       "themselves, and cannot stand in one\n"
       "DIR/v.yaml:12:29: error[wrong-type]: voice 'inputs': 'y': the list is empty\n"
       "DIR/v.yaml:12:36: error[wrong-type]: voice 'inputs': 'z': found a map, expected tokens, "
       "lengths, speaker, speed, length_scale or seed, a number, or a list of these"},
      {with_line("precision: float32", "inputs: [x, y]"),
       "DIR/v.yaml:12:9: error[wrong-type]: voice 'inputs': found a list, expected a map from the "
       "model's inputs to what they are given, as {x: tokens, x_lengths: lengths}"},
      {with_line("precision: float32", "inputs: {sid: speaker}"),
       "DIR/v.yaml:12:1: error[missing-value]: voice 'inputs': no input is given 'tokens', so the "
       "model would not know what to say"},
      {with_line("precision: float32", "outputs: {audio: 0}"),
       "DIR/v.yaml:12:1: error[misplaced-key]: voice: 'outputs': what the two parts of a model "
       "return is fixed (see docs/voices.md); only the inputs of the part that plans can be named"},
      {with_line("parts: {plan: plan, render: render}", "outputs: {lengths: y, lengths_in: bytes}"),
       "DIR/v.yaml:11:1: error[missing-key]: voice 'outputs': 'audio' is required: the model's "
       "output that is the sound, a name or a place\n"
       "DIR/v.yaml:11:35: error[unknown-choice]: voice 'outputs': 'lengths_in': 'bytes' is not "
       "allowed; allowed is samples or frames"},
      {with_line("parts: {plan: plan, render: render}", "outputs: {audio: 0, lengths_in: frames}"),
       "DIR/v.yaml:11:33: error[missing-key]: voice 'outputs': 'lengths_in' says what 'lengths' "
       "counts, which is not there"},
      {"flowtts_voice: 1\nname: n\nformat: torchscript\nmodel: plain.pt\nsample_rate: 16000\n"
       "front_end: {type: flite_us}\nspeakers: [a]\n"
       "outputs: {audio: 0, lengths: 1, lengths_in: frames}\n",
       "DIR/v.yaml:8:45: error[missing-key]: voice: 'hop' is required where lengths are in frames: "
       "samples a frame"},
      {with_line("format: torchscript", "format: aoti") + "compile: {exporter: plain.pt}\n",
       "DIR/v.yaml:14:1: error[misplaced-key]: voice: 'compile': a voice of the format 'aoti' has "
       "none: FlowTTS compiles TorchScript's render part alone"},
      {"flowtts_voice: 1\nname: n\nformat: tones\nsample_rate: 16000\n"
       "front_end: {type: flite_us}\nspeakers: [a]\nparts: {plan: p, render: r}\n"
       "inputs: {x: tokens}\n",
       "DIR/v.yaml:7:1: error[misplaced-key]: voice: 'parts': a voice of the format 'tones' has "
       "none: its model is in one part\n"
       "DIR/v.yaml:8:1: error[misplaced-key]: voice: 'inputs': a voice of the format 'tones' has "
       "none: it has no model"},
      {"flowtts_voice: 1\nname: n\nformat: worker\ncommand: [cat]\nsample_rate: 16000\n"
       "front_end: {type: text}\nspeakers: [a]\noutputs: {audio: 0}\npython: python3\n",
       "DIR/v.yaml:8:1: error[misplaced-key]: voice: 'outputs': a voice of the format 'worker' has "
       "none: the worker's own code calls its model; 'format: onnx' speaks an ONNX model without a "
       "command\n"
       "DIR/v.yaml:9:1: error[misplaced-key]: voice: 'python': it is the first word of 'command' "
       "that names a worker's program"},
      {"flowtts_voice: 1\nname: n\nformat: onnx\nmodel: plain.pt\nsample_rate: 16000\n"
       "front_end: {type: text}\nspeakers: [a]\n",
       "DIR/v.yaml: error[missing-key]: voice: 'inputs' is required where the format is 'onnx': "
       "what each of the model's inputs is given, as {x: tokens, x_lengths: lengths}\n"
       "DIR/v.yaml: error[missing-key]: voice: 'outputs' is required where the format is 'onnx': "
       "which of the model's outputs is the sound, as {audio: output}\n"
       "DIR/v.yaml:6:19: error[missing-key]: voice 'front_end': 'text' makes no tokens for an ONNX "
       "model: name its table, as 'options: {symbols: symbols.txt}', or take another front end"},
      {"flowtts_voice: 1\nname: n\nformat: onnx\nmodel: plain.pt\nsample_rate: 16000\n"
       "front_end: {type: text}\nspeakers: [a]\ninputs: {x: tokens}\noutputs: {audio: y}\n"
       "command: [python3, onnx.py]\npython: venv/bin/python\n"
       "options: {output: y, symbols: gone.txt, thraeds: 2, max_batch: 0}\n",
       "DIR/v.yaml:10:1: error[misplaced-key]: voice: 'command': a voice of the format 'onnx' is "
       "run by FlowTTS's own worker; 'python: /path/to/python3' names the Python that has "
       "onnxruntime, and 'format: worker' runs a command\n"
       "DIR/v.yaml:11:9: error[missing-file]: voice: 'python': there is no file "
       "DIR/venv/bin/python\n"
       "DIR/v.yaml:12:11: error[misplaced-key]: voice 'options': 'output': in a voice of the "
       "format 'onnx' it stands in the voice file itself, as 'outputs: {audio: ...}'\n"
       "DIR/v.yaml:12:31: error[missing-file]: voice 'options': 'symbols': there is no file "
       "DIR/gone.txt\n"
       "DIR/v.yaml:12:41: error[unknown-key]: voice 'options': unknown key 'thraeds'; allowed is "
       "output, symbols, start, end, blank, pad, max_batch, batch_invariant, threads or providers; "
       "did you mean 'threads'?\n"
       "DIR/v.yaml:12:64: error[out-of-range]: voice 'options': 'max_batch': 0 is out of range; "
       "allowed is 1 or more"},
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
