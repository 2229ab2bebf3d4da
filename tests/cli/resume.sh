# A run that is killed goes on where it stopped; verify, retry and replay look at what it has made.
out=$PWD
cd "$SOURCE_DIR"
voice=(--set vars.voice=configs/voices/tones.yaml)

says() {
  grep -qF -- "$2" "$1" || { echo "line ${BASH_LINENO[0]}: '$2' is not in:"; cat "$1"; exit 1; }
}
# expect STATUS ARGUMENT...
expect() {
  local wanted=$1 status=0
  shift
  "$FLOWTTS" "$@" >"$out/said" 2>"$out/err" </dev/null || status=$?
  [[ $status == "$wanted" ]] || {
    echo "line ${BASH_LINENO[0]}: expected $wanted but got $status from: $*"
    cat "$out/said" "$out/err"
    exit 1
  }
}
align() {
  local folder=$1
  shift
  "$FLOWTTS" pipelines/align.yaml --quiet "${voice[@]}" --set vars.output="$out/$folder" \
      --set run.commit_every_s=0.01 --set run.on_error.max_failed=100% "$@" 2>>"$out/align.err"
}
# Everything but what tells of times and of the order in which things came about.
same() {
  diff -r --exclude=run.json --exclude=log --exclude=journal.jsonl --exclude=failures.jsonl \
      "$out/$1" "$out/$2"
}

align golden
expect 0 verify "$out/golden"
says "$out/said" 'all is well'

# Killed as soon as some records are done, twice; other limits and threads each time.
for threads in 1 2; do
  align killed --set run.threads=$threads --set run.max_in_flight=8 &
  pid=$!
  before=$(grep -c '"record"' "$out/killed/journal.jsonl" 2>/dev/null || true)
  for _ in {1..500}; do
    now=$(grep -c '"record"' "$out/killed/journal.jsonl" 2>/dev/null || true)
    [[ ${now:-0} -le $((${before:-0} + 10)) ]] || break
    sleep 0.01
  done
  pkill -KILL -P $pid 2>/dev/null || true
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
done
for _ in {1..500}; do  # a killed process lets go of the folder when it is gone
  align killed && break
  sleep 0.02
done
same golden killed
expect 0 verify "$out/killed"
expect 0 pipelines/align.yaml "${voice[@]}" --set vars.output="$out/killed" \
    --set run.on_error.max_failed=100%
says "$out/said" 'was done before; nothing was left to do'

# What is damaged is named, and made as it was.
file=$(cd "$out/killed" && find audio -name '*.wav' | sort | sed -n 7p)
printf 'X' | dd of="$out/killed/$file" bs=1 seek=100 conv=notrunc status=none
gone=$(cd "$out/killed" && find audio -name '*.wav' | sort | sed -n 70p)
rm "$out/killed/$gone"
sed -i '30s/written/wriTten/' "$out/killed/manifest.jsonl"
expect 1 verify "$out/killed"
says "$out/said" "$file has the checksum"
says "$out/said" "$gone is missing"
says "$out/said" 'line 30 of manifest.jsonl is damaged'
expect 0 verify "$out/killed" --repair
same golden killed

# What would change the results is refused by name; the voice's files belong to that.
expect 2 pipelines/align.yaml --set vars.voice=configs/voices/default.yaml \
    --set vars.output="$out/killed"
says "$out/err" 'content of synthesize (files): was '
expect 2 pipelines/align.yaml "${voice[@]}" --set vars.output="$out/killed" --set split.max_words=9
says "$out/err" "split.max_words (pipeline): was '40', is '9'"
expect 2 pipelines/align.yaml "${voice[@]}" --set vars.output="$out/killed" --accept-changes=pipelines
says "$out/err" "did you mean 'pipeline'?"
same golden killed

# One record alone, with all that becomes of it.
expect 0 replay "$out/golden" --record chat-0001
says "$out/err" 'split: chat-0001'
says "$out/err" 'synthesize: chat-0001.0: Audio'
[[ $(wc -l <"$out/golden-replay/manifest.jsonl") == 1 ]]
grep -F '"id":"chat-0001"' "$out/golden/manifest.jsonl" | diff - "$out/golden-replay/manifest.jsonl"

# Failed records are done again once the cause is mended. From another folder, too.
mkdir "$out/elsewhere"
cat >"$out/small.json" <<'JSON'
[{"id": "a", "conversations": [{"from": "human", "value": "One day. Two days later it rained."}]},
 {"id": "b", "conversations": [{"from": "human", "value": "Three days later."}]}]
JSON
cd "$out"
cat >small.yaml <<YAML
flowtts: 1
run: {output: small, on_error: {max_failed: 100%}}
stages:
  - {id: load, type: load_conversations, with: {path: small.json}}
  - {id: split, type: split_sentences, with: {max_words: 40}}
  - {id: phonemize, type: phonemize, with: {voice: $SOURCE_DIR/configs/voices/tones.yaml}}
  - {id: synthesize, type: synthesize, with: {voice: $SOURCE_DIR/configs/voices/tones.yaml}}
  - {id: write, type: write_audio, with: {name: "{id}"}}
  - {id: manifest, type: write_manifest}
YAML
expect 0 small.yaml
[[ $(grep -c ambiguous_name small/failures.jsonl) == 3 ]]
cd elsewhere
expect 0 retry ../small --set write.name='"{id}_{turn}_{sentence}"' --accept-changes=pipeline
says "$out/said" 'records: read 2 = written 2 + filtered 0 + failed 0'
[[ ! -s ../small/failures.jsonl ]]
expect 0 verify ../small
expect 2 verify .
says "$out/err" 'no run has written here'
