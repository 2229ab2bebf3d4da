# Shards: what they hold, how they go on after a kill, and what verify finds and mends in them.
out=$PWD
cd "$SOURCE_DIR"

shards() {
  local folder=$1
  shift
  "$FLOWTTS" pipelines/align_webdataset.yaml --quiet --set vars.voice=configs/voices/tones.yaml \
      --set vars.output="$out/$folder" --set run.on_error.max_failed=100% \
      --set write.max_bytes=1MiB --set run.commit_every_s=0.01 "$@" 2>>"$out/err"
}
same() {
  diff -r --exclude=run.json --exclude=log --exclude=journal.jsonl --exclude=failures.jsonl \
      "$out/$1" "$out/$2"
}

shards golden --set run.threads=1
shards many --set run.threads=8 --set run.max_in_flight=7 --set encode.concurrency=8
same golden many
"$FLOWTTS" verify "$out/golden"

python3 - "$out/golden" <<'PY'
import io, json, pathlib, sys, tarfile, wave
folder = pathlib.Path(sys.argv[1])
index = json.loads((folder / "shards/index.json").read_text())["shardlist"]
assert [s["url"] for s in index] == sorted(p.name for p in (folder / "shards").glob("*.tar"))
seen = {}
for shard in index:
    path = folder / "shards" / shard["url"]
    assert path.stat().st_size == shard["filesize"] and len(index) > 20
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert len(members) == 2 * shard["nsamples"]
        for text, audio in zip(members[::2], members[1::2]):
            key = audio.name.split(".")[0]
            assert text.name == key + ".json" and audio.name == key + ".wav"
            said = json.load(tar.extractfile(text))
            content = tar.extractfile(audio).read()
            with wave.open(io.BytesIO(content)) as sound:
                assert sound.getnframes() == said["samples"]
            assert audio.mtime == 0 and audio.uid == 0
            seen[audio.name] = (shard["url"], audio.offset_data, len(content), said)
sentences = 0
for line in (folder / "manifest.jsonl").open():
    record = json.loads(line)
    for turn in record.get("conversations") or record.get("messages") or []:
        for sentence in turn.get("sentences", []) if isinstance(turn, dict) else []:
            if "audio" not in sentence:
                continue
            shard, offset, size, said = seen[sentence["audio"]]
            assert sentence["shard"] == "shards/" + shard, sentence
            assert (sentence["offset"], sentence["bytes"]) == (offset, size), sentence
            assert said["spoken"] == sentence["spoken"] and said["index"] == record["index"]
            sentences += 1
assert sentences == len(seen) > 500, (sentences, len(seen))
PY

# Killed in the middle, it goes on in the shard that was begun.
shards killed --set run.max_in_flight=8 &
pid=$!
for _ in {1..1000}; do
  [[ $(grep -c '"record"' "$out/killed/journal.jsonl" 2>/dev/null || true) -lt 20 ]] || break
  sleep 0.01
done
pkill -KILL -P $pid 2>/dev/null || true
kill -KILL $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
for _ in {1..500}; do
  shards killed && break
  sleep 0.02
done
same golden killed

# Any byte of a shard belongs to something, and is made again as it was.
python3 - "$out/killed/shards" <<'PY'
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
for name, places in (("shard-000002.tar", (3, 700, 400_000)), ("shard-000004.tar", (-5,))):
    data = bytearray((folder / name).read_bytes())
    for place in places:
        data[place] ^= 16
    (folder / name).write_bytes(data)
(folder / "shard-000007.tar").unlink()
cut = folder / "shard-000009.tar"
cut.write_bytes(cut.read_bytes()[:100_000])
PY
status=0
"$FLOWTTS" verify "$out/killed" >"$out/said" || status=$?
[[ $status == 1 ]]
for what in 'shard-000002.tar have the checksum' 'shard-000004.tar is not ended as a tar file' \
    'shard-000007.tar is missing' 'shard-000009.tar ends at byte 100000'; do
  grep -qF "$what" "$out/said" || { echo "'$what' is not in:"; cat "$out/said"; exit 1; }
done
"$FLOWTTS" verify "$out/killed" --repair >"$out/said"
same golden killed

# A line of the manifest that is damaged says nothing of where its record stands, either.
python3 - "$out/killed/manifest.jsonl" <<'PY'
import pathlib, re, sys
manifest = pathlib.Path(sys.argv[1])
lines = manifest.read_text().split("\n")
number = next(i for i, line in enumerate(lines) if i > 20 and '"shard":{' in line)
lines[number] = re.sub(r'("shard":{[^}]*"bytes":)\d(\d*)', r"\g<1>9\g<2>", lines[number])
manifest.write_text("\n".join(lines))
PY
"$FLOWTTS" verify "$out/killed" --repair >"$out/said"
same golden killed
