# ONNX voices with a tiny model, by the format "onnx" and by workers/onnx.py as a worker like others,
# where Python has onnxruntime and onnx (pip install onnxruntime onnx). FLOWTTS_TEST_PYTHON names
# another Python than python3.
python=${FLOWTTS_TEST_PYTHON:-python3}

# onnx_voice FILE [OLD NEW]...: a voice of the format "onnx", with other words here and there.
onnx_voice() {
  local file=$1 text
  shift
  text="flowtts_voice: 1
name: tiny
format: onnx
model: tiny.onnx
sample_rate: 16000
languages: [en]
front_end: {type: text}
speakers: [anna, bob]
python: python
inputs: {input: tokens, input_lengths: lengths, scales: [0.667, length_scale], sid: speaker}
outputs: {audio: output, lengths: output_lengths}
options: {symbols: symbols.txt, max_batch: 4, batch_invariant: true}
"
  while (($# > 0)); do
    [[ $text == *"$1"* ]] || { echo "'$1' is not in the voice"; exit 1; }
    text=${text/"$1"/"$2"}
    shift 2
  done
  printf '%s' "${text/python: python/"python: $python"}" >"$file"
}
# refused FILE TEXT...: `voice check` finds the voice at fault, and says so.
refused() {
  local file=$1 status=0
  shift
  "$FLOWTTS" voice check "$file" --device cpu --text 'A cab.' >said 2>err || status=$?
  tr -s ' \n' '  ' <said >line  # as it was before it was wrapped
  for text in "$@"; do
    grep -qF -- "$text" line || { echo "line ${BASH_LINENO[0]}: '$text' is not in:"; cat said err; exit 1; }
  done
  [[ $status == 1 ]] || { echo "line ${BASH_LINENO[0]}: status $status"; exit 1; }
}

# A Python without onnxruntime: what is missing, and how it is had.
printf '#!/bin/sh\nexec python3 -S "$@"\n' >bare-python
chmod +x bare-python
printf '_ 0\na 1\nb 2\nc 3\n  4\n' >symbols.txt
touch tiny.onnx
onnx_voice bare.yaml 'python: python' 'python: ./bare-python'
refused bare.yaml "load failed: " 'has no onnxruntime (No module named' '-m pip install onnxruntime' "'python: /path/to/python3'"

if ! "$python" -c 'import onnxruntime, onnx' 2>/dev/null; then
  echo "skipped: $python has no onnxruntime and onnx"
  exit 77
fi
"$python" "$SOURCE_DIR/tests/workers/tiny_onnx.py" tiny.onnx
voice() {
  cat >"$1" <<YAML
flowtts_voice: 1
name: tiny
format: worker
command: ["$python", "$SOURCE_DIR/workers/onnx.py"]
model: tiny.onnx
options:
  inputs: {input: tokens, input_lengths: lengths, scales: [0.667, length_scale], sid: speaker}
  output: $2
  output_lengths: output_lengths
  symbols: symbols.txt
  max_batch: 4
  batch_invariant: true
sample_rate: 16000
languages: [en]
front_end: {type: text}
speakers: [anna, bob]
YAML
}
voice voice.yaml output
cat >pipeline.yaml <<YAML
flowtts: 1
name: tiny
vars: {voice: voice.yaml, out: out, speed: 1}
run: {seed: 1, output: "\${out}", on_error: {max_failed: 100%}}
stages:
  - {id: load, type: load_conversations, with: {path: in.jsonl}}
  - {id: split, type: split_sentences}
  - {id: phonemize, type: phonemize, with: {voice: "\${voice}"}}
  - {id: synthesize, type: synthesize, devices: cpu, lanes: 1, with: {voice: "\${voice}", speaker: bob, speed: "\${speed}"}}
  - {id: write, type: write_audio, with: {format: wav, name: "{id}_{turn}_{sentence}"}}
  - {id: manifest, type: write_manifest}
YAML
n=0
for text in "a cab." "AB" "a zebra" "aaaaaaaaaaaaaaaaaaaa bbbb cccc"; do
  printf '{"id": "%s", "conversations": [{"from": "human", "value": "%s"}]}\n' "$((++n))" "$text"
done >in.jsonl
"$FLOWTTS" pipeline.yaml --quiet
"$FLOWTTS" pipeline.yaml --quiet --set vars.out=fast --set vars.speed=2
"$python" - <<'PY'
import glob, json, struct, wave

def samples(folder, name):
    [path] = glob.glob("%s/audio/**/%s_0_0.wav" % (folder, name), recursive=True)
    with wave.open(path) as file:
        assert file.getframerate() == 16000
        data = file.readframes(file.getnframes())
    return [value / 32768 for value in struct.unpack("<%dh" % (len(data) // 2), data)]

def wanted(ids, speed=1):  # bob is speaker 1
    return [(0.01 * number + 0.001) * speed for number in ids for _ in range(4)]

def same(found, expected):
    assert len(found) == len(expected), (len(found), len(expected))
    assert all(abs(a - b) < 1e-4 for a, b in zip(found, expected)), (found, expected)

same(samples("out", "1"), wanted([1, 4, 3, 1, 2]))   # "a cab.": the full stop has no symbol
same(samples("out", "2"), wanted([1, 2]))            # capitals are read as small letters
same(samples("fast", "2"), wanted([1, 2], speed=2))
report = json.load(open("out/run.json"))
assert report["items"]["written"] == 3, report["items"]
assert report["filtered_items"] == {"unspeakable": 1}, report["filtered_items"]  # a zebra
PY
# What does not fit the model is said with what there is.
voice wrong.yaml sound
if "$FLOWTTS" pipeline.yaml --quiet --set vars.voice=wrong.yaml --set vars.out=wrong 2>err; then exit 1; fi
grep -q "options: output: the model has no output 'sound'; it has output, output_lengths" err

# The same voice without a command: by names, and by places.
onnx_voice onnx.yaml
"$FLOWTTS" check pipeline.yaml --set vars.voice=onnx.yaml >said
grep -qF "a process for each lane: $python with onnxruntime" said || { cat said; exit 1; }
onnx_voice places.yaml 'audio: output, lengths: output_lengths' 'audio: 0, lengths: 1' 'sid: speaker' '3: speaker'
for name in onnx places; do
  "$FLOWTTS" pipeline.yaml --quiet --set vars.voice=$name.yaml --set vars.out=$name
  diff -r out/audio $name/audio
done
# Lengths in frames, of a hop of 4 samples: the same ones, where the model counts the tokens.
onnx_voice frames.yaml 'lengths: output_lengths' 'lengths: output_lengths, lengths_in: frames' \
  'sample_rate: 16000' 'sample_rate: 16000
hop: 4'
refused frames.yaml 'the model says' 'samples for'

# What is wrong with its names is said with the place in the voice file.
onnx_voice wrong.yaml 'audio: output' 'audio: outptu'
refused wrong.yaml "wrong.yaml:11:18: error: voice 'outputs': the model has no output 'outptu'; it has output, output_lengths; did you mean 'output'?"
onnx_voice wrong.yaml 'lengths: output_lengths' 'lengths: 2'
refused wrong.yaml "wrong.yaml:11:35: error: voice 'outputs': the model has no output '2'; it has output, output_lengths"
onnx_voice wrong.yaml 'sid: speaker' 'speaker_id: speaker'
refused wrong.yaml "wrong.yaml:10:80: error: voice 'inputs': the model has no input 'speaker_id'; it has input, input_lengths, scales, sid"
onnx_voice wrong.yaml ', sid: speaker' ''
refused wrong.yaml "wrong.yaml:10:1: error: voice 'inputs': the model has the input 'sid', which is given nothing"
onnx_voice wrong.yaml 'sid: speaker' 'sid: speaker, 3: 1'
refused wrong.yaml "error: voice 'inputs': the model's input 'sid' is given twice"
