# Every example runs as its own comments say; outputs go into the scratch folder.
out=$PWD
cd "$SOURCE_DIR"
examples=$BUILD_DIR/examples

"$FLOWTTS" check examples/1-custom-stage/pipeline.yaml 2>"$out/unknown.txt" && exit 1
grep -q "unknown type 'replace_word'" "$out/unknown.txt"

"$examples/example_custom_stage" examples/1-custom-stage/pipeline.yaml --quiet \
    --set run.output="$out/custom"
test "$(grep -o '"spoken":"[^"]*kilometres[^"]*"' "$out/custom/manifest.jsonl" | wc -l)" -ge 3
! grep -q '"text":"[^"]*kilometres' "$out/custom/manifest.jsonl"

"$examples/example_embedding" pipelines/align.yaml vars.output="$out/embedded" \
    load.path=examples/1-custom-stage/distances.json 2>/dev/null |
    grep -q '^2 records: 2 written, 0 filtered, 0 failed; [1-9]'

"$FLOWTTS" examples/4-python-worker/pipeline.yaml --quiet --set vars.output="$out/python" \
    --set synthesize.devices=cpu
test "$(find "$out/python/audio" -name '*.wav' | wc -l)" -ge 30

"$FLOWTTS" examples/3-resample-folder/pipeline.yaml --quiet --set vars.input="$out/custom/audio" \
    --set vars.output="$out/resampled"
test "$(find "$out/resampled/audio" -name '*.flac' | wc -l)" = \
     "$(find "$out/custom/audio" -name '*.wav' | wc -l)"
