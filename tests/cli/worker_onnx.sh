# workers/onnx.py with a tiny model, where Python has onnxruntime and onnx (pip install onnxruntime
# onnx). FLOWTTS_TEST_PYTHON names another Python than python3.
python=${FLOWTTS_TEST_PYTHON:-python3}
if ! "$python" -c 'import onnxruntime, onnx' 2>/dev/null; then
  echo "skipped: $python has no onnxruntime and onnx"
  exit 0
fi
"$python" "$SOURCE_DIR/tests/workers/tiny_onnx.py" tiny.onnx
printf '_ 0\na 1\nb 2\nc 3\n  4\n' >symbols.txt
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
grep -q "the model has no output 'sound'; it has output, output_lengths" err
