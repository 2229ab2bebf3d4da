# flowtts run on small pipelines: what it prints, where, and its exit status.

says() {
  grep -qF -- "$2" "$1" || { echo "line ${BASH_LINENO[0]}: '$2' is not in:"; cat "$1"; exit 1; }
}
# run STATUS ARGUMENT...
run() {
  local wanted=$1 status=0
  shift
  "$FLOWTTS" "$@" >out 2>err </dev/null || status=$?
  [[ $status == "$wanted" ]] ||
    { echo "line ${BASH_LINENO[0]}: expected $wanted but got $status from: $*"; cat out err; exit 1; }
}

cat >count.yaml <<'YAML'
flowtts: 1
name: counted
vars: {input: chats.json}
run: {output: result}
stages:
  - {id: load, type: load_conversations, with: {path: "${input}"}}
  - {id: split, type: split_sentences}
  - {id: count, type: count_sentences}
YAML
cat >chats.json <<'JSON'
[{"id": "a", "conversations": [{"from": "human", "value": "One day. Two days."}]},
 {"id": "b", "conversations": [{"from": "human", "value": "Three days later."}]}]
JSON

run 0 count.yaml
says out 'counted: done after'
says out 'records: read 2 = written 2 + filtered 0 + failed 0'
says out 'items: read 3 = written 3 + filtered 0 + failed 0'
says out 'result/run.json'
says result/run.json '"state":"succeeded"'
! grep -q $'\x1b' out err
[[ ! -s result/failures.jsonl ]]

# What is done is not done again; what belongs to somebody else is not touched.
cp result/run.json before.json
run 0 count.yaml
says out 'was done before; nothing was left to do'
cmp before.json result/run.json
"$FLOWTTS" check count.yaml | grep -qF 'result, where everything is done'
mkdir precious
echo mine >precious/notes.txt
run 2 count.yaml --set run.output=precious
says err 'the output folder precious is not empty and holds no run to go on with: it holds notes.txt'
[[ ! -s out && $(ls precious) == notes.txt ]]
"$FLOWTTS" check count.yaml --set run.output=precious | grep -qF 'holds no run to go on with'

run 0 run count.yaml --quiet --set run.output=quiet
[[ ! -s out && ! -s err ]]
run 0 run count.yaml --json --set run.output=json
cmp out json/run.json

# A record that cannot be read fails, is kept, and decides the exit status by the policy.
cat >broken.json <<'JSON'
[{"id": "a", "conversations": [{"from": "human", "value": "One day."}]},
 {"id": "b", "conversations": 7}]
JSON
run 1 count.yaml --set vars.input=broken.json --set run.output=strict
says out 'too many records failed'
says out 'records: read 2 = written 1 + filtered 0 + failed 1'
says out 'strict/failures.jsonl'
says out '--set run.on_error.max_failed=1'
[[ $(wc -l <strict/failures.jsonl) == 1 ]]
run 0 count.yaml --set vars.input=broken.json --set run.output=lax --set run.on_error.max_failed=50%
says out '1 record failed, within run.on_error.max_failed (50%)'

# An input that is not there is the command line's fault; a folder that cannot be made is not.
run 2 count.yaml --set vars.input=nowhere.json --set run.output=missing
says err nowhere.json
[[ ! -e missing ]]
run 3 count.yaml --set run.output=chats.json/deeper
[[ $(grep -c "cannot make the output folder 'chats.json/deeper'" err) == 1 ]]
[[ ! -s out ]]

# Interrupted: what has been begun is finished, and the status tells which signal it was.
feed() {
  local i=0
  printf '['
  while printf '{"id": "%d", "conversations": [{"from": "human", "value": "A day."}]},\n' $i; do
    i=$((i + 1))
  done
}
interrupted() {
  local signal=$1 wanted=$2 status=0
  mkfifo "$signal"
  feed >"$signal" 2>/dev/null &
  timeout --preserve-status -s "$signal" -k 60 2 "$FLOWTTS" count.yaml \
    --set vars.input="$signal" --set run.output="cut-$signal" >out 2>err || status=$?
  [[ $status == "$wanted" ]] || { echo "$signal gave $status"; cat out err; exit 1; }
  says out 'counted: interrupted after'
  says err 'interrupted: finishing what is in flight'
  says "cut-$signal/run.json" '"state":"interrupted"'
}
interrupted INT 130
interrupted TERM 143

# The first signal ends it also where it waits for an input that never comes: one that nobody has
# opened for writing, and one that is silent, before its first byte and in the middle.
waits_for() {
  local fifo=$1 status=0
  "$FLOWTTS" count.yaml --set vars.input="$fifo" --set run.output="cut-$fifo" >out 2>"$fifo.err" &
  until grep -qsF begins "$fifo.err"; do sleep 0.05; done
  sleep 0.2
  kill -TERM $!
  wait $! || status=$?
  [[ $status == 143 ]] || { echo "$fifo gave $status"; cat out "$fifo.err"; exit 1; }
  says "cut-$fifo/run.json" '"state":"interrupted"'
}
mkfifo unopened silent halted
waits_for unopened
trap 'kill $(jobs -p) 2>/dev/null' EXIT
sleep 600 >silent &
waits_for silent
{ printf '[{"id": "1", "conversations": [{"from": "human", "value": "A day."}]},'; exec sleep 600; } >halted &
waits_for halted
