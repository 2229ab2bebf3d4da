# workers/f5.py with F5-TTS's own package (pip install f5-tts) and tiny random weights.
# FLOWTTS_TEST_PYTHON names another Python than python3.
python=${FLOWTTS_TEST_PYTHON:-python3}
if ! "$python" -c 'import f5_tts' 2>/dev/null; then
  echo "skipped: $python has no f5-tts"
  exit 0
fi
export CUDA_VISIBLE_DEVICES=
"$python" "$SOURCE_DIR/tests/workers/tiny_f5.py" model
# The package looks for a configuration among its own.
config=$("$python" -c 'import f5_tts, os
print(os.path.relpath("model/tiny", os.path.join(list(f5_tts.__path__)[0], "configs")))' 2>/dev/null | tail -n 1)
# voice FILE PROMPT
voice() {
  cat >"$1" <<YAML
flowtts_voice: 1
name: tiny
format: worker
command: ["$python", "$SOURCE_DIR/workers/f5.py"]
model: model/model.pt
options:
  config: $config
  vocoder: model/vocos
  nfe_step: 4
  prompts: {anna: $2}
sample_rate: 24000
languages: [en]
front_end: {type: text}
speakers: [anna]
YAML
}
speak() {
  (cd "$SOURCE_DIR" && "$FLOWTTS" pipelines/align.yaml --quiet --set vars.voice="$SCRATCH/$1" \
      --set vars.output="$SCRATCH/$2" --set sample.alpha=0.05 --set synthesize.devices=cpu \
      --set check.action=warn --set resample.rate=24000 --set run.on_error.max_failed=100% "${@:3}")
}
voice voice.yaml '{wav: model/prompt.wav, text: "Hello there."}'
speak voice.yaml one --set synthesize.lanes=1
speak voice.yaml two --set synthesize.lanes=2
diff -r --exclude=run.json --exclude=run.log --exclude=journal.jsonl one two
"$python" - <<'PY'
import json
report = json.load(open("one/run.json"))
assert report["items"]["written"] > 3, report["items"]
assert not {name for name in report["failed_items"] if name.startswith("worker")}, report["failed_items"]
PY
voice wrong.yaml '{wav: model/prompt.wav}'
status=0
speak wrong.yaml wrong 2>err || status=$?
[[ $status == 3 ]] && grep -q "anna: 'text' is missing" err || { cat err; exit 1; }
