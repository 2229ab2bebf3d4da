# A voice of voices/export_vits.py, compiled: it says the same, noise and all, in sentences of every
# length. Where Python has transformers and the torch that FlowTTS runs with.
# FLOWTTS_TEST_PYTHON names another Python than python3.
python=${FLOWTTS_TEST_PYTHON:-python3}
if ! "$python" -c 'import torch; from transformers import VitsModel' 2>/dev/null; then
  echo "skipped: $python has no torch and transformers"
  exit 77
fi
export PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 FLOWTTS_CACHE_DIR=$PWD/cache
"$python" "$SOURCE_DIR/tests/voices/tiny_vits.py" mms mms 2>/dev/null
"$python" "$SOURCE_DIR/voices/export_vits.py" mms mms.yaml
status=0
FLOWTTS_PYTHON=$python "$FLOWTTS" voice compile mms.yaml --device cpu >out 2>err || status=$?
if [[ $status == 3 ]] && grep -q 'has no torch\|has not all\|torch cannot be imported' err; then
  echo "skipped: $(tail -n 1 err)"
  exit 77
fi
[[ $status == 0 ]] || { cat out err; exit 1; }

for compiled in never always; do
  "$FLOWTTS" "$SOURCE_DIR/pipelines/align.yaml" --quiet --set vars.voice=mms.yaml \
      --set vars.input="$SOURCE_DIR/examples/data/conversations.json" --set sample.alpha=0.1 \
      --set vars.output=$compiled --set synthesize.compiled=$compiled --set synthesize.devices=cpu \
      --set run.on_error.max_failed=100%
done
"$python" - <<'PY'
import array, glob, json, wave
def samples(path):
    with wave.open(path) as file:
        return array.array("h", file.readframes(file.getnframes()))
stages = json.load(open("always/run.json"))["stages"]
[numerics] = {device["numerics"] for stage in stages for device in stage.get("devices", [])}
assert numerics.startswith("compiled float32"), numerics
paths = glob.glob("never/audio/**/*.wav", recursive=True)
assert len(paths) > 50
for path in paths:
    wanted, found = samples(path), samples(path.replace("never", "always", 1))
    assert len(found) == len(wanted) and max(map(abs, wanted)) > 1000, path
    assert max(abs(a - b) for a, b in zip(found, wanted)) <= 2, path
PY

# What the voice file says beside the model may change.
cp mms.yaml changed.yaml
echo 'gate: {seconds_per_word: [0.1, 6]}' >>changed.yaml
"$FLOWTTS" voice compile changed.yaml --device cpu >out
grep -q 'Nothing is to be done' out
