# The align pipeline on a GPU, where there is one: the same bytes with one lane and with three, and
# where the model is loaded anew again and again while the other lanes work on.
devices=$("$FLOWTTS" devices)
if [[ $devices != *cuda:0* ]]; then
  echo 'skipped: this machine has no GPU'
  exit 77
fi
out=$PWD
cd "$SOURCE_DIR"

align() {
  local folder=$1
  shift
  "$FLOWTTS" pipelines/align.yaml --quiet --set vars.output="$out/$folder" \
      --set synthesize.devices=cuda:0 --set run.on_error.max_failed=100% "$@"
}
# Everything but what tells of times and settings.
same() {
  diff -r --exclude=run.json --exclude=run.log --exclude=journal.jsonl "$out/$1" "$out/$2"
}

align one --set synthesize.lanes=1
align three --set synthesize.lanes=3
same one three
# Small batches, so that there are some after the first is through.
align small --set synthesize.batch.max_items=8
align recycled --set synthesize.batch.max_items=8 --set synthesize.recycle.after_batches=10
same small recycled
python3 - "$out/recycled/run.json" <<'PY'
import json, sys
report = json.load(open(sys.argv[1]))
device = next(s for s in report["stages"] if s["id"] == "synthesize")["devices"][0]
assert device["recycled"] >= 1, device
print("recycled", device["recycled"], "times in", device["batches"], "batches")
PY
