# What the command says of itself, and how it refuses what it does not know.

# expect STATUS COMMAND...: runs it, its output in `out` and `err`.
expect() {
  local wanted=$1 status=0
  shift
  "$@" >out 2>err || status=$?
  if [[ $status != "$wanted" ]]; then
    echo "line ${BASH_LINENO[0]}: expected status $wanted but got $status from: $*"
    cat out err
    exit 1
  fi
}
# says FILE TEXT: the text stands in it.
says() {
  grep -qF -- "$2" "$1" || { echo "line ${BASH_LINENO[0]}: '$2' is not in:"; cat "$1"; exit 1; }
}

for help in --help -h help; do
  expect 0 "$FLOWTTS" $help
  for word in Usage: Commands: Examples: 'Exit status:' NO_COLOR; do says out "$word"; done
  [[ ! -s err ]]
done
commands=$("$FLOWTTS" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[[ $(wc -w <<<"$commands") -ge 7 ]]
for command in $commands; do
  expect 0 "$FLOWTTS" "$command" --help
  says out "flowtts $command"
  cp out direct
  expect 0 "$FLOWTTS" help "$command"
  cmp out direct
done

# Nothing at all is a mistake too, with the help as its answer.
expect 2 "$FLOWTTS"
says err Usage:

expect 2 "$FLOWTTS" chekc
says err "'chekc' is neither a command nor a file; did you mean 'check'?"
expect 2 "$FLOWTTS" help chekc
says err "did you mean 'check'?"
expect 2 "$FLOWTTS" check --sett a.b=1 file.yaml
says err "check: unknown option '--sett'; did you mean '--set'?"
says err "Try 'flowtts check --help'."
expect 2 "$FLOWTTS" run
says err 'run: FILE is missing'
expect 2 "$FLOWTTS" run file.yaml --set
says err 'run: --set needs a value'
expect 2 "$FLOWTTS" run one.yaml two.yaml
says err "run: unexpected argument 'two.yaml'"
expect 2 "$FLOWTTS" describe splt_sentences
says err "there is no stage 'splt_sentences'"

# A file's name in a command's place runs it, before or after the options.
expect 2 "$FLOWTTS" nowhere.yaml
says err 'nowhere.yaml: error['
expect 2 "$FLOWTTS" --quiet nowhere.yaml
says err 'nowhere.yaml: error['

for version in version --version; do
  expect 0 "$FLOWTTS" $version
  grep -qE '^flowtts [0-9]+\.[0-9]+\.[0-9]+$' out
done

expect 0 "$FLOWTTS" devices
says out cpu:0
expect 0 "$FLOWTTS" stages
says out load_conversations
for stage in $(sed -n '2,/^$/s/ .*//p' out) run stage batch; do
  expect 0 "$FLOWTTS" describe "$stage"
  [[ $(head -c "${#stage}" out) == "$stage" ]]
done

# Output that cannot be written is no success.
if [[ -w /dev/full ]]; then
  status=0
  "$FLOWTTS" stages 2>err >/dev/full || status=$?
  [[ $status == 3 ]]
  says err 'stdout cannot be written'
fi
