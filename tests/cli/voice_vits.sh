# voices/export_vits.py on tiny checkpoints, where Python has torch and transformers.
# FLOWTTS_TEST_PYTHON names another Python than python3.
python=${FLOWTTS_TEST_PYTHON:-python3}
if ! "$python" -c 'import torch; from transformers import VitsModel' 2>/dev/null; then
  echo "skipped: $python has no torch and transformers"
  exit 77
fi
export PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1
for kind in mms speakers; do
  "$python" "$SOURCE_DIR/tests/voices/tiny_vits.py" $kind $kind 2>/dev/null
  cp -r $kind quiet
  sed -i -E 's/"(noise_scale|noise_scale_duration)": [0-9.]+/"\1": 0.0/' quiet/config.json
  "$python" "$SOURCE_DIR/voices/export_vits.py" $kind $kind.yaml
  "$python" "$SOURCE_DIR/voices/export_vits.py" quiet quiet-$kind.yaml
  "$python" "$SOURCE_DIR/tests/voices/check_vits.py" $kind $kind quiet-$kind
  rm -r quiet
done

# The align pipeline with another voice line: the same bytes whatever the company and the lanes.
# align VOICE FOLDER [OVERRIDE...]
align() {
  local voice=$1 folder=$2
  shift 2
  "$FLOWTTS" "$SOURCE_DIR/pipelines/align.yaml" --quiet --set vars.voice="$voice" --set vars.output="$folder" \
      --set vars.input="$SOURCE_DIR/examples/data/conversations.json" --set sample.alpha=0.1 \
      --set synthesize.devices=cpu --set run.on_error.max_failed=100% "$@"
}
same() { diff -r --exclude=run.json --exclude=run.log --exclude=journal.jsonl "$1" "$2"; }
for kind in mms speakers; do
  align $kind.yaml $kind-one --set synthesize.batch.max_items=1 --set synthesize.lanes=1
  align $kind.yaml $kind-many --set synthesize.batch.max_items=32 --set synthesize.lanes=3
  same $kind-one $kind-many
done
align mms.yaml mms-other --set run.seed=43
[[ $(find mms-one mms-other -name '*.wav' -exec sha256sum {} + | cut -d' ' -f1 | sort | uniq -d | wc -l) == 0 ]]
"$python" - <<'PY'
import json
for kind, speakers in (("mms", {"speaker0"}), ("speakers", {"speaker0", "speaker1", "speaker2"})):
    report = json.load(open(kind + "-one/run.json"))
    items = report["items"]
    assert items["written"] > 50 and items["read"] == sum(items[k] for k in ("written", "filtered", "failed")), items
    assert not [error for error in report.get("failed_items", {}) if error.startswith("rejected")], report
    text = open(kind + "-one/manifest.jsonl").read()
    assert {name for name in ("speaker0", "speaker1", "speaker2") if name in text} == speakers
PY

# The front end's tokens are those of the checkpoint's own tokenizer: the sound is that of its tokens.
cat >one.yaml <<YAML
flowtts: 1
name: one
run: {seed: 1, output: out, on_error: {max_failed: 100%}}
stages:
  - {id: load, type: load_conversations, with: {path: in.jsonl}}
  - {id: split, type: split_sentences}
  - {id: phonemize, type: phonemize, with: {voice: quiet-mms.yaml}}
  - {id: synthesize, type: synthesize, devices: cpu, with: {voice: quiet-mms.yaml}}
  - {id: write, type: write_audio, with: {format: wav, name: "{id}_{turn}_{sentence}"}}
  - {id: manifest, type: write_manifest}
YAML
cat >in.jsonl <<'JSON'
{"id": "1", "conversations": [{"from": "human", "value": "Don't wait, my friend: all-day trains leave soon."}]}
{"id": "2", "conversations": [{"from": "human", "value": "It costs 5 pounds."}]}
JSON
"$FLOWTTS" one.yaml --quiet
"$python" - <<'PY'
import glob, json, struct, wave
import torch
from transformers import VitsModel, VitsTokenizer
model = VitsModel.from_pretrained("mms").eval()
model.noise_scale = model.noise_scale_duration = 0.0
text = "Don't wait, my friend: all-day trains leave soon."
with torch.no_grad():
    wanted = model(**VitsTokenizer.from_pretrained("mms")(text, return_tensors="pt")).waveform[0]
[path] = glob.glob("out/audio/**/1_0_0.wav", recursive=True)
with wave.open(path) as file:
    assert file.getframerate() == 16000
    data = file.readframes(file.getnframes())
found = torch.tensor(struct.unpack("<%dh" % (len(data) // 2), data)) / 32768
assert found.shape == wanted.shape, (found.shape, wanted.shape)
assert (found - wanted).abs().max() < 1e-3, (found - wanted).abs().max()
report = json.load(open("out/run.json"))
assert report["filtered_items"] == {"unspeakable": 1}, report["filtered_items"]  # no digit there
PY

# What cannot be a table of characters is refused, with what to do instead.
for kind in uroman phonemes; do
  "$python" "$SOURCE_DIR/tests/voices/tiny_vits.py" $kind $kind 2>/dev/null
  if "$python" "$SOURCE_DIR/voices/export_vits.py" $kind refused.yaml 2>err; then exit 1; fi
  grep -q 'no table of characters. Speak with it through a worker instead' err
done
if "$python" "$SOURCE_DIR/voices/export_vits.py" speakers refused.yaml --speakers anna,bob 2>err; then exit 1; fi
grep -q -- '--speakers has 2 names, and the model 3 speakers' err
[[ ! -e refused.yaml && ! -e refused ]]
