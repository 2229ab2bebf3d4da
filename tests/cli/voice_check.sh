# flowtts voice check: a good voice, and voices that break one promise each.

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

export FLOWTTS_CACHE_DIR=$PWD/cache
tones=$SOURCE_DIR/configs/voices/tones.yaml

expect 0 "$FLOWTTS" voice check "$tones"
says out 'cpu:0: all is well'
says out '6 of 6 sentences'
says out '4 speakers'
expect 0 "$FLOWTTS" voice check "$tones" --device cpu --text 'One sentence.' --json
python3 - out <<'PY'
import json, sys
report = json.load(open(sys.argv[1]))
assert report["voice"] == "tones" and report["sample_rate"] == 16000, report
[device] = report["devices"]
assert device["device"] == "cpu:0" and device["good"] and device["findings"] == [], device
# Four speakers are heard, though there is one sentence.
assert device["spoken"] == device["sentences"] == device["speakers"] == 4, device
assert device["audio_seconds"] > 0.5 and device["audio_seconds_per_second_in_batches"] > 0, device
PY

# What is refused before anything is spoken.
expect 2 "$FLOWTTS" voice check nowhere.yaml
says err 'nowhere.yaml: error[unreadable-file]'
expect 2 "$FLOWTTS" voice check "$tones" --device gpu
says err "'gpu' is no device; allowed is cpu or cuda:N"
expect 2 "$FLOWTTS" voice check "$tones" --force
says err 'check has no option --force'
expect 2 "$FLOWTTS" voice compile "$tones" --json
says err 'compile has no option --json'
expect 2 "$FLOWTTS" voice check "$tones" --text '你好'
says err "'你好' is unspeakable; give one in its language by --text"
expect 3 "$FLOWTTS" voice check "$tones" --device cuda:99
says err "a voice of the format 'tones' works on CPUs alone; found cuda:99, allowed is cpu"

# A device that is not there does not keep the others from being tried.
expect 3 "$FLOWTTS" voice check "$tones" --device cuda:99 --device cpu
says out 'cuda:99: not tried'
says out 'cpu:0: all is well'

# The voice that comes with FlowTTS, where LibTorch is at hand.
if [[ -e $(dirname "$FLOWTTS")/../lib/libflowtts_torch.so ]]; then
  expect 0 "$FLOWTTS" voice check "$SOURCE_DIR/configs/voices/default.yaml" --device cpu
  says out 'torchscript float32'
fi

# voice NAME [KEY]: NAME.yaml, a voice that misbehaves as its name says.
cat >worker.py <<'PY'
import math, random
import flowtts_worker


class Bad(flowtts_worker.Worker):
    sample_rate = 16000
    max_batch = 4
    batch_invariant = True

    def load(self, device):
        self.way = self.options["way"]
        self.spoken = 0
        if self.way == "placed":
            raise RuntimeError("Expected all tensors to be on the same device, but found at least "
                               "two devices, cuda:0 and cuda:1!")

    def synthesize(self, items):
        for item in items:
            self.spoken += 1
            yield self.one(item, len(items))

    def one(self, item, company):
        count = 1200 * len(item.text)
        hertz = 200 + 7 * len(item.text)
        if self.way == "random":
            hertz += random.SystemRandom().random()
        if self.way == "company":
            hertz += company
        if self.way == "deaf":
            count, hertz = 16000, 300
        if self.way == "endless":
            count *= 20
        loud = {"silent": 1e-6, "loud": 20000.0}.get(self.way, 0.3)
        audio = [loud * math.sin(2 * math.pi * hertz * n / 16000) for n in range(count)]
        if self.way == "raises" and item.text.startswith("What"):
            raise ValueError("there is no question mark in my alphabet")
        if self.way == "nan":
            audio[5] = math.nan
        return audio


flowtts_worker.run(Bad)
PY
voice() {
  cat >"$1.yaml" <<YAML
flowtts_voice: 1
name: $1
format: worker
command: [python3, worker.py]
options: {way: $1}
sample_rate: ${2:-16000}
languages: [en]
front_end: {type: text}
speakers: [one, two]
gate: {seconds_per_character: [0.03, 0.3]}
YAML
}
texts=(--text Yes. --text 'What is that?' --text 'The boat lies at the jetty.')
# wrong NAME CODE TEXT...: what is found of it, and nothing else that is a fault.
wrong() {
  local name=$1 code=$2
  shift 2
  expect 1 "$FLOWTTS" voice check "$name.yaml" --device cpu "${texts[@]}"
  says out "fault [$code]"
  [[ $(grep -c 'fault \[' out) == 1 ]] || { echo "line ${BASH_LINENO[0]}: more than one:"; cat out; exit 1; }
  tr -s ' \n' '  ' <out >line  # as it was before it was wrapped
  says line 'what to do: '
  for text in "$@"; do says line "$text"; done
}

voice good
expect 0 "$FLOWTTS" voice check good.yaml --device cpu "${texts[@]}"
says out 'cpu:0: all is well'
says out 'worker on cpu'

voice random
wrong random not_repeatable 'allowed is the same samples, bit for bit' 'draw only from generators that are seeded'
voice company
wrong company batch_dependent "'Yes.' by one: in a batch it has samples up to" "'limits: {max_batch: 1}'"
voice deaf
wrong deaf same_audio "'What is that?' by two has the same samples as 'Yes.' by one"
voice endless
wrong endless rejected_seconds_per_character 'allowed is 0.03 to 0.3 s' 'sample_rate'
voice silent
wrong silent rejected_silence 'full scale is 1'
voice loud
wrong loud rejected_clipping 'not 32768'
voice raises
wrong raises worker_error 'there is no question mark in my alphabet' 'docs/workers.md'
voice nan
wrong nan worker_bad_audio 'give finite mono samples'
voice placed
wrong placed worker_load_failed 'Expected all tensors to be on the same device' \
  'export the model anew by scripting' "'format: worker'" CUDA_VISIBLE_DEVICES
voice rate 24000
wrong rate worker_refused 'make the voice file and what the worker says of itself agree'

expect 1 "$FLOWTTS" voice check deaf.yaml --device cpu --json "${texts[@]}"
python3 - out <<'PY'
import json, sys
[device] = json.load(open(sys.argv[1]))["devices"]
[finding] = [one for one in device["findings"] if one["fault"]]
assert not device["good"] and finding["code"] == "same_audio" and finding["remedy"], device
PY
