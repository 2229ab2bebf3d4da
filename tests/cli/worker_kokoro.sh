# workers/kokoro.py with Kokoro's own package (pip install kokoro), in Spanish, whose phonemes need no
# model, and with random weights. FLOWTTS_TEST_PYTHON names another Python than python3.
python=${FLOWTTS_TEST_PYTHON:-python3}
if ! "$python" -c 'import kokoro' 2>/dev/null; then
  echo "skipped: $python has no kokoro"
  exit 0
fi
export CUDA_VISIBLE_DEVICES=
"$python" "$SOURCE_DIR/tests/workers/tiny_kokoro.py" model
# voice FILE LANGUAGE
voice() {
  cat >"$1" <<YAML
flowtts_voice: 1
name: tiny
format: worker
command: ["$python", "$SOURCE_DIR/workers/kokoro.py"]
model: model
sample_rate: 24000
languages: [$2]
front_end: {type: text}
speakers: [ef_dora, em_alex]
YAML
}
voice voice.yaml es
cat >in.json <<'JSON'
[{"id": "1", "conversations": [{"from": "human", "value": "El mar es salado."}]},
 {"id": "2", "conversations": [{"from": "human", "value": "¿Y los ríos?"}]},
 {"id": "3", "conversations": [{"from": "human", "value": "No lo son."}]}]
JSON
speak() {
  (cd "$SOURCE_DIR" && "$FLOWTTS" pipelines/align.yaml --quiet --set vars.voice="$SCRATCH/$1" \
      --set vars.input="$SCRATCH/in.json" --set vars.output="$SCRATCH/$2" \
      --set synthesize.devices=cpu --set check.action=warn --set resample.rate=24000 "${@:3}")
}
speak voice.yaml one --set synthesize.lanes=1
speak voice.yaml two --set synthesize.lanes=2
diff -r --exclude=run.json --exclude=run.log --exclude=journal.jsonl one two
"$python" - <<'PY'
import json
report = json.load(open("one/run.json"))
assert report["items"]["written"] == 3, report["items"]
speakers = {piece["speaker"] for line in map(json.loads, open("one/manifest.jsonl"))
            for turn in line.get("conversations", []) for piece in turn.get("sentences", [])}
assert speakers <= {"ef_dora", "em_alex"} and speakers, speakers
PY
voice wrong.yaml de
status=0
speak wrong.yaml wrong 2>err || status=$?
[[ $status == 3 ]] && grep -q "Kokoro does not speak 'de'" err || { cat err; exit 1; }
rm -r model
