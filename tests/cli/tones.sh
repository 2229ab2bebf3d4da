# The voice that needs no model: the align pipeline with it, without LibTorch, the same each time.
out=$PWD
cd "$SOURCE_DIR"

tones() {
  local folder=$1
  shift
  "$FLOWTTS" pipelines/align.yaml --quiet --set vars.voice=configs/voices/tones.yaml \
      --set vars.output="$out/$folder" "$@"
}
LD_DEBUG=files tones one 2>"$out/loaded"
grep -q 'libflowtts.so' "$out/loaded"
if grep -q 'libtorch' "$out/loaded"; then
  echo "LibTorch was loaded for a voice that does not need it"
  exit 1
fi
test "$(find "$out/one/audio" -name '*.wav' | wc -l)" -gt 500
grep -q '"numerics":"tones"' "$out/one/run.json"

tones two --set synthesize.devices='[cpu:0, cpu:1]' --set synthesize.batch.max_items=3 \
    --set run.threads=4
diff -r --exclude=run.json --exclude=run.log "$out/one" "$out/two"

# What it cannot do is said before anything starts, or as soon as the voice is loaded.
refused() {
  local wanted=$1 status=0
  shift
  tones refused "$@" 2>"$out/err" || status=$?
  [[ $status == "$wanted" ]] || { echo "line ${BASH_LINENO[0]}: status $status"; cat "$out/err"; exit 1; }
  rm -rf "$out/refused"
}
refused 2 --set synthesize.devices=cuda
grep -q "'devices': found 'cuda', and as it is configured this stage works on CPUs alone" "$out/err"
refused 3 --set synthesize.with.compiled=always
grep -q "there is nothing to be compiled in a voice of the format 'tones'" "$out/err"
