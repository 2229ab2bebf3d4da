# A voice in Python through the whole command: the example as its comment says, the same bytes however
# many workers there are and although they are killed, and the promises about processes.
out=$PWD
cd "$SOURCE_DIR"

speak() {
  local folder=$1
  shift
  "$FLOWTTS" examples/4-python-worker/pipeline.yaml --quiet --set vars.output="$out/$folder" \
      --set synthesize.devices=cpu --set run.on_error.max_failed=100% "$@"
}
same() {
  diff -r --exclude=run.json --exclude=run.log "$out/$1" "$out/$2"
}
speak one --set synthesize.lanes=1
speak three --set synthesize.lanes=3
same one three
test "$(find "$out/one/audio" -name '*.wav' | wc -l)" -ge 30
grep -q '"numerics": *"worker on cpu"' "$out/one/run.json"

# A voice file in the working directory is as good as any.
(cd examples/4-python-worker
 "$FLOWTTS" pipeline.yaml --quiet --set vars.voice=beeps.yaml --set vars.output="$out/here" \
     --set vars.input="$SOURCE_DIR/examples/data/conversations.json" \
     --set synthesize.devices=cpu --set run.on_error.max_failed=100%)
same one here

# Workers are killed in the middle of the run. No sentence is killed twice, since each worker says when
# it has spoken two, and a device has one.
mkdir "$out/voice"
cat >"$out/voice/slow.py" <<'PY'
import os, sys, time
sys.argv = sys.argv[:1]
import flowtts_worker
real_run = flowtts_worker.run
flowtts_worker.run = lambda worker: None
folder = os.environ["FLOWTTS_EXAMPLE"]
sys.path.insert(0, folder)
import beeps

class Slow(beeps.Beeps):
    spoken = 0
    def synthesize(self, items):
        for audio in super().synthesize(items):
            self.spoken += 1
            time.sleep(0.01)
            if self.spoken == 2:  # may be killed from now on
                open(os.path.join(self.voice["folder"], "pid-%d" % os.getpid()), "w").close()
            yield audio

real_run(Slow)
PY
sed 's/beeps.py/slow.py/' examples/4-python-worker/beeps.yaml >"$out/voice/slow.yaml"
export FLOWTTS_EXAMPLE=$SOURCE_DIR/examples/4-python-worker
killed=0
two=(--set vars.voice="$out/voice/slow.yaml" --set synthesize.devices='[cpu:0, cpu:1]'
     --set synthesize.lanes=1)
speak undisturbed "${two[@]}"
rm -f "$out"/voice/pid-*
speak disturbed "${two[@]}" &
run=$!
while kill -0 $run 2>/dev/null && ((killed < 4)); do
  for file in "$out"/voice/pid-*; do
    [[ -e $file ]] || continue
    rm "$file"
    kill -9 "${file##*pid-}" && killed=$((killed + 1))
  done
  sleep 0.02
done
wait $run
((killed >= 2))
# The voice's hash is in the manifest and the same for both.
same undisturbed disturbed
grep -q 'the worker has died: signal 9 (Killed)' "$out/disturbed/log/run.log"

# However the program ends, its workers end with it.
rm -f "$out"/voice/pid-*
speak ended --set vars.voice="$out/voice/slow.yaml" --set synthesize.lanes=1 --set sample.alpha=1 &
run=$!
until compgen -G "$out/voice/pid-*" >/dev/null; do
  kill -0 $run
  sleep 0.02
done
worker=$(basename "$out"/voice/pid-*)
worker=${worker#pid-}
kill -9 $run
wait $run || true
while [[ -e /proc/$worker ]] && ! grep -q '^State:.[ZX]' "/proc/$worker/status" 2>/dev/null; do sleep 0.02; done

# What is wrong with a voice is said before anything starts, or with the worker's own words.
sed 's/beeps.py/beep.py/' examples/4-python-worker/beeps.yaml >"$out/voice/gone.yaml"
if "$FLOWTTS" check examples/4-python-worker/pipeline.yaml --set vars.voice="$out/voice/gone.yaml" 2>"$out/err"; then
  exit 1
fi
grep -q "voice: 'command': there is no file .*/beep.py" "$out/err"
echo 'raise SystemExit("no module named torch")' >"$out/voice/torn.py"
sed 's/beeps.py/torn.py/' examples/4-python-worker/beeps.yaml >"$out/voice/torn.yaml"
status=0
speak refused --set vars.voice="$out/voice/torn.yaml" 2>"$out/err" || status=$?
[[ $status == 3 ]]
grep -q 'no module named torch' "$out/err"
