# flowtts voice compile: what it refuses, and how it says what is missing. What it makes is tested
# where torch is at hand: tests/torch/aoti_renderer_test.cc.

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
says() {
  grep -qF -- "$1" err || { echo "line ${BASH_LINENO[0]}: '$1' is not in:"; cat err; exit 1; }
}

export FLOWTTS_CACHE_DIR=$PWD/cache
voice=$SOURCE_DIR/configs/voices/default.yaml

expect 2 "$FLOWTTS" voice
says 'voice: ACTION is missing'
expect 2 "$FLOWTTS" voice compile
says 'voice: VOICE is missing'
expect 2 "$FLOWTTS" voice comple "$voice"
says "'comple' is not allowed; allowed is compile or check; did you mean 'compile'?"
expect 2 "$FLOWTTS" voice compile nowhere.yaml
says 'nowhere.yaml: error[unreadable-file]'
expect 2 "$FLOWTTS" voice compile "$voice" --precision float61
says "'float61' is not allowed; allowed is float32, float16 or bfloat16; did you mean 'float16'?"
for device in gpu cuda cuda: cuda:x cuda:-1 cpu:1; do
  expect 2 "$FLOWTTS" voice compile "$voice" --device $device
  says "'$device' is no device; allowed is cpu or cuda:N"
done
expect 3 "$FLOWTTS" voice compile "$voice" --device cuda:99
says "there is no cuda:99 here; 'flowtts devices' lists what there is"

cp -r "$SOURCE_DIR/configs/voices" .
sed -i '/^compile:/d' voices/default.yaml
expect 2 "$FLOWTTS" voice compile voices/default.yaml
says "the voice 'default' cannot be compiled: its file has no section 'compile: {exporter: FILE.py}'"

[[ ! -e cache ]]
expect 3 env -u FLOWTTS_CACHE_DIR -u XDG_CACHE_HOME -u HOME "$FLOWTTS" voice compile "$voice" --device cpu
says 'there is no folder for the package: set FLOWTTS_CACHE_DIR'
expect 3 env FLOWTTS_PYTHON=no-such-python "$FLOWTTS" voice compile "$voice" --device cpu
says 'no-such-python cannot be started'

# A Python without torch, torch without the modules that it needs, and no compiler.
mkdir -p site/torch
script=${FLOWTTS%/*}/../share/flowtts/voices/compile.py
compile() {
  python3 -I -S "$script" --format 1 --voice plain --voice-hash ab --model m.pt \
    --render render --exporter export.py --exporter-hash cd --precision float32 --device cpu \
    --card CPU --torch-version 9.8.7 --torch-site "$PWD/site" --folder "$PWD/cache/entry"
}
expect 3 compile
says "has no torch 9.8.7, and $PWD/site has not all of it"
echo '__version__ = "9.8.7+cpu"' >site/torch/version.py
touch site/torch/__init__.py
expect 3 compile
says 'is for CPython none, and this is'
touch "site/torch/_C.cpython-$(python3 -c 'import sys; print("%d%d" % sys.version_info[:2])')-any.so"
expect 3 compile
says "has not all that torch compiles with; missing: typing_extensions, filelock, sympy"
for module in typing_extensions filelock sympy mpmath networkx jinja2 markupsafe fsspec setuptools; do
  touch site/$module.py
done
export CXX=no-such-compiler
expect 3 compile
says "there is no C++ compiler 'no-such-compiler', which torch compiles with"
[[ $(ls cache/entry) == lock ]]

# One call waits for another, and clears away what a killed one has left.
if command -v flock >/dev/null; then
  mkdir cache/entry/work-1
  : >err
  flock cache/entry/lock -c 'touch held; until grep -qs waiting err; do sleep 0.05; done' &
  until [[ -e held ]]; do sleep 0.05; done
  status=0
  compile 2>err || status=$?
  wait
  [[ $status == 3 ]]
  says 'another call compiles this voice for this card: waiting for it'
  says "there is no C++ compiler 'no-such-compiler'"
  [[ $(ls cache/entry) == lock ]]
fi
