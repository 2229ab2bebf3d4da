# flowtts check: all errors at once with their places, or the plan.

says() {
  grep -qF -- "$2" "$1" || { echo "line ${BASH_LINENO[0]}: '$2' is not in:"; cat "$1"; exit 1; }
}
refused() {
  local status=0
  "$FLOWTTS" "$@" >out 2>err || status=$?
  [[ $status == 2 && ! -s out ]] ||
    { echo "line ${BASH_LINENO[0]}: expected 2 but got $status from: $*"; cat out err; exit 1; }
}

cat >good.yaml <<'YAML'
flowtts: 1
name: counted
vars: {input: chats.json}
run: {seed: 7, output: out, memory_limit: 64MiB}
stages:
  - {id: load, type: load_conversations, with: {path: "${input}"}}
  - {id: sample, type: sample, with: {alpha: 1}}
  - {id: split, type: split_sentences, concurrency: 2}
  - {id: count, type: count_sentences}
YAML
echo '[{"id": "a", "conversations": [{"from": "human", "value": "One. Two."}]}]' >chats.json

"$FLOWTTS" check good.yaml >out 2>err
[[ ! -s err ]]
says out 'counted (good.yaml)'
says out 'Conversation -> Sentence'
says out '2 threads'
says out 'at most 64MiB of payloads (run.memory_limit) and 256 records (run.max_in_flight)'
[[ ! -e $SCRATCH/out/run.json ]]

"$FLOWTTS" check good.yaml --set run.seed=8 --set split.concurrency=4 --set=run.max_in_flight=9 >out
says out 'seed:           8'
says out '4 threads'
says out '9 records'

cat >bad.yaml <<'YAML'
flowtts: 1
run: {sed: 7, max_in_flight: 0}
stages:
  - {id: load, type: load_conversation, with: {path: x}}
  - {id: sample, type: sample, with: {alpha: 2}}
  - {id: sample, type: count_sentences}
YAML
refused check bad.yaml
sed 's/: error\[.*//' err | sed '$d' >places
sort -t: -k2,2n -k3,3n -s places | cmp - places
says err "bad.yaml:2:7: error[unknown-key]: run: unknown key 'sed'"
says err "did you mean 'seed'?"
says err "bad.yaml:2:30: error[out-of-range]: run: 'max_in_flight': 0 is out of range"
says err "unknown type 'load_conversation'"
says err "did you mean 'load_conversations'?"
says err "bad.yaml:5:46: error[out-of-range]: stage 'sample' (sample): 'alpha': 2 is out of range"
says err 'error[duplicate-id]'
grep -qE '^[0-9]+ errors$' err

# --set is checked like the file.
refused check good.yaml --set smple.alpha=0.1
says err "did you mean 'sample'?"
refused check good.yaml --set sample.alpah=0.1
says err "did you mean 'alpha'?"
refused check good.yaml --set sample
says err 'expected NAME.KEY=VALUE'
refused run good.yaml --set sample.alpha=often
says err 'sample.alpha=often'
[[ ! -e $SCRATCH/out/run.json ]]
