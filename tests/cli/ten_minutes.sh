# docs/workers.md "Ten minutes", as it is written: the class, the voice file, by hand, and in a run.
python3 - <<'PY'
import os, re
text = open(os.environ["SOURCE_DIR"] + "/docs/workers.md").read()
text = text[text.index("## Ten minutes"):text.index("## What the class may say")]
for name, kind in (("my_voice.py", "python"), ("my_voice.yaml", "yaml")):
    [block] = re.findall("```%s\n(.*?)```" % kind, text, re.S)
    open(name, "w").write(block)
PY
PYTHONPATH="$SOURCE_DIR/workers" python3 my_voice.py "Hello there." hello.wav
test "$(stat -c %s hello.wav)" -gt 10000
(cd "$SOURCE_DIR" && "$FLOWTTS" pipelines/align.yaml --quiet --set vars.voice="$SCRATCH/my_voice.yaml" \
    --set vars.output="$SCRATCH/beeps" --set synthesize.devices=cpu --set sample.alpha=0.3)
test "$(find beeps -name '*.wav' | wc -l)" -gt 10
"$FLOWTTS" voice check my_voice.yaml --device cpu
