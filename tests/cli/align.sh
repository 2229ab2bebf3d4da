# The align pipeline on a part of the example data, with the default voice on CPU devices: the same
# bytes whatever the concurrency and the number of devices, and audio that is what the manifest says.
out=$PWD
cd "$SOURCE_DIR"

align() {
  local folder=$1
  shift
  "$FLOWTTS" pipelines/align.yaml --quiet --set vars.output="$out/$folder" --set sample.alpha=0.15 \
      --set synthesize.devices=cpu --set run.on_error.max_failed=100% "$@"
}
# Everything but what tells of times, settings, and the order in which things came about.
same() {
  diff -r --exclude=run.json --exclude=run.log --exclude=journal.jsonl "$out/$1" "$out/$2"
}

align one --set run.threads=1 --set synthesize.lanes=1 --set clean.concurrency=1 \
    --set split.concurrency=1 --set phonemize.concurrency=1 --set resample.concurrency=1 \
    --set check.concurrency=1 --set write.concurrency=1
if grep -q 'not compiled' "$out/one/log/run.log"; then
  echo "a CPU is no place to advise compiling for: it need not be faster there" >&2
  exit 1
fi
align many --set run.threads=8 --set synthesize.lanes=4 --set clean.concurrency=8 \
    --set split.concurrency=8 --set phonemize.concurrency=8 --set resample.concurrency=8 \
    --set check.concurrency=8 --set write.concurrency=8
same one many
align three --set synthesize.devices='[cpu:0, cpu:1, cpu:2]' --set synthesize.lanes=1
same one three
python3 - "$out/three/run.json" <<'PY'
import json, sys
report = json.load(open(sys.argv[1]))
devices = next(s for s in report["stages"] if s["id"] == "synthesize")["devices"]
loading = max(d["load_seconds"] for d in devices)
assert loading <= report["start_seconds"] < report["seconds"], (loading, report["start_seconds"])
assert [d["device"] for d in devices] == ["cpu:0", "cpu:1", "cpu:2"], devices
assert all(d["items"] > 0 for d in devices), devices
PY

align other --set run.seed=43
! diff -q "$out/one/manifest.jsonl" "$out/other/manifest.jsonl" >/dev/null

python3 bench/check_audio.py "$out/one"
python3 - "$out/one" <<'PY'
import json, pathlib, sys, wave
folder = pathlib.Path(sys.argv[1])
report = json.loads((folder / "run.json").read_text())
for ledger in (report["records"], report["items"]):
    assert ledger["read"] == ledger["written"] + ledger["filtered"] + ledger["failed"], ledger
lines = [json.loads(line) for line in (folder / "manifest.jsonl").open()]
taken = report["records"]["read"] - report["filtered_records"]["sample"]
assert len(lines) == taken, (len(lines), taken)
assert [l["index"] for l in lines] == sorted({l["index"] for l in lines})
files = set()
for line in lines:
    turns = line.get("conversations") or line.get("messages") or []
    for turn in turns:
        pieces = turn.get("sentences", []) if isinstance(turn, dict) else []
        if pieces:
            joined = "".join(p["text"] for p in pieces)
            assert joined == turn["spoken"], (joined, turn["spoken"])
        for piece in pieces:
            if "audio" not in piece:
                assert piece["status"] in ("filtered", "failed"), piece
                continue
            files.add(piece["audio"])
            with wave.open(str(folder / piece["audio"])) as audio:
                assert audio.getframerate() == piece["sample_rate"] == 22050
                assert audio.getnframes() == piece["samples"]
assert files == {str(f.relative_to(folder)) for f in folder.glob("audio/**/*.wav")}
assert len(files) == report["items"]["written"] > 50, len(files)
assert len((folder / "failures.jsonl").read_text().splitlines()) == report["items"]["failed"] > 0
PY
