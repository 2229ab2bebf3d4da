# workers/piper.py with Piper's own package (pip install piper-tts onnx) and a tiny model.
# FLOWTTS_TEST_PYTHON names another Python than python3.
python=${FLOWTTS_TEST_PYTHON:-python3}
if ! "$python" -c 'import piper, onnx' 2>/dev/null; then
  echo "skipped: $python has no piper-tts and onnx"
  exit 0
fi
"$python" "$SOURCE_DIR/tests/workers/tiny_piper.py" .
# voice FILE OPTIONS
voice() {
  cat >"$1" <<YAML
flowtts_voice: 1
name: tiny
format: worker
command: ["$python", "$SOURCE_DIR/workers/piper.py"]
model: voice.onnx
options: $2
sample_rate: 22050
languages: [en]
front_end: {type: text}
speakers: [anna, bob]
YAML
}
speak() {
  (cd "$SOURCE_DIR" && "$FLOWTTS" pipelines/align.yaml --quiet --set vars.voice="$SCRATCH/$1" \
      --set vars.output="$SCRATCH/$2" --set synthesize.devices=cpu --set check.action=warn \
      --set run.on_error.max_failed=5% "${@:3}")
}
voice still.yaml '{noise_scale: 0, noise_w_scale: 0}'
speak still.yaml one --set synthesize.lanes=1
speak still.yaml two --set synthesize.lanes=2
diff -r --exclude=run.json --exclude=run.log --exclude=journal.jsonl one two
"$python" - <<'PY'
import json
report = json.load(open("one/run.json"))
assert report["items"]["written"] > 3, report["items"]
failed = set(report["failed_items"])  # of the input, which is meant to have some
assert failed <= {"bad_turn", "no_object", "no_turns"}, failed
PY
# The samples are Piper's own, by the speaker that was asked for and at the speed.
PYTHONPATH="$SOURCE_DIR/workers" "$python" - <<'PY'
import sys
sys.argv[0] = "test"
import flowtts_worker, importlib.util, numpy, os
from piper import PiperVoice, SynthesisConfig
spec = importlib.util.spec_from_file_location("worker", os.environ["SOURCE_DIR"] + "/workers/piper.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
worker = module.Piper()
worker.voice, worker.options = {"model": "voice.onnx"}, {"noise_scale": 0, "noise_w_scale": 0}
worker.load("cpu")
assert worker.sample_rate == 22050 and worker.speakers == ["anna", "bob"] and worker.device_used == "cpu"
text = "One. Two and three."
voice = PiperVoice.load("voice.onnx")
for name, speaker in (("anna", 0), ("bob", 1)):
    [audio] = worker.synthesize([flowtts_worker.Item(1, text, name)])
    how = SynthesisConfig(speaker_id=speaker, noise_scale=0, noise_w_scale=0)
    parts = [part.audio_float_array for part in voice.synthesize(text, how)]
    assert len(parts) == 2 and numpy.array_equal(audio, numpy.concatenate(parts))
try:
    list(worker.synthesize([flowtts_worker.Item(1, "...", "anna")]))
    raise AssertionError("'...' has no sound")
except flowtts_worker.Unspeakable:
    pass
PY
# Noise is drawn where no seed reaches it, and the check says so.
voice noisy.yaml '{}'
status=0
"$FLOWTTS" voice check noisy.yaml --device cpu >check.txt 2>&1 || status=$?
[[ $status == 1 ]] && grep -q 'not_repeatable' check.txt || { cat check.txt; exit 1; }
