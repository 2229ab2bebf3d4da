# workers/cosyvoice.py against CosyVoice's own code, versions 1, 2 and 3, with tiny random weights.
# FLOWTTS_COSYVOICE_DIR is the folder of its sources (with third_party/Matcha-TTS),
# FLOWTTS_COSYVOICE_PYTHON a Python with its packages, FLOWTTS_COSYVOICE_DEVICE another device than the
# CPU: cuda:0. pipelines/align_cosyvoice.yaml as it stands, but for the model's folder and the sources.
sources=${FLOWTTS_COSYVOICE_DIR:-}
python=${FLOWTTS_COSYVOICE_PYTHON:-python3}
device=${FLOWTTS_COSYVOICE_DEVICE:-cpu}
if [[ ! -d $sources/cosyvoice ]]; then
  echo "skipped: FLOWTTS_COSYVOICE_DIR does not name CosyVoice's sources"
  exit 0
fi
CUDA_VISIBLE_DEVICES='' "$python" "$SOURCE_DIR/tests/workers/tiny_cosyvoice.py" "$sources" "$PWD/model"
if [[ $device == cpu ]]; then export CUDA_VISIBLE_DEVICES=; fi

# voice FILE VERSION MODE SPEAKERS [OPTION...]
voice() {
  local file=$1 version=$2 mode=$3 speakers=$4
  shift 4
  sed -e "s|^command:.*|command: [\"$python\", \"$SOURCE_DIR/workers/cosyvoice.py\"]|" \
      -e "s|^model:.*|model: model$version|" -e "s|^  code:.*|  code: \"$sources\"|" \
      -e "s|^  mode:.*|  mode: $mode|" -e "s|^speakers:.*|speakers: $speakers|" \
      -e "s|^memory:.*||" "$SOURCE_DIR/configs/voices/cosyvoice.yaml" >"$file"
  if [[ $version != 1 ]]; then sed -i "s|^sample_rate:.*|sample_rate: 24000|" "$file"; fi
  local option
  for option; do sed -i "s|^options:|options:\n  $option|" "$file"; done
}
out=$PWD
align() {
  local folder=$1 voice=$2
  shift 2
  (cd "$SOURCE_DIR" && "$FLOWTTS" pipelines/align_cosyvoice.yaml --quiet --set vars.voice="$out/$voice" \
      --set vars.output="$out/$folder" --set synthesize.devices="$device" \
      --set run.on_error.max_failed=5% "$@")
}
# The same bytes from one process and from two, although the model draws random numbers and its
# configuration seeds the generators at each load. (Failures are listed as they come: these weights now
# and then end a sentence of version 3 before its first token.)
alike() {
  diff -r --exclude=run.json --exclude=run.log --exclude={journal,failures}.jsonl "$1" "$2"
}
# spoken FOLDER RATE SPEAKERS: every sentence is there, whole, at the rate, by these speakers.
spoken() {
  python3 - "$@" <<'PY'
import json, re, sys, wave
folder, rate, speakers = sys.argv[1], int(sys.argv[2]), set(sys.argv[3].split(","))
report = json.load(open(folder + "/run.json"))
assert report["items"]["written"] > 0, report["items"]
found = set()
for line in map(json.loads, open(folder + "/manifest.jsonl")):
    for turn in line.get("conversations") or line.get("messages") or []:
        for piece in turn.get("sentences", []) if isinstance(turn, dict) else []:
            if "audio" not in piece:
                assert piece.get("error") != "exception", piece
                continue
            found.add(piece["speaker"])
            assert re.search(r"/sft_[^/]+_\d+\.wav$", piece["audio"]), piece["audio"]
            with wave.open(folder + "/" + piece["audio"]) as file:
                assert file.getframerate() == rate and file.getnframes() == piece["samples"] > 400
assert found == speakers, found
PY
}

voice sft.yaml 1 sft '[英文女, 英文男, 中文女]'
align one sft.yaml --set vars.tasks_per_gpu=1
align two sft.yaml --set vars.tasks_per_gpu=2
alike one two
spoken one 22050 英文女,英文男,中文女

anna='prompts: {anna: {wav: model1/prompt.wav, text: "Hello there.", instruct: "Slowly."}}'
short=(--set sample.alpha=0.01 --set vars.tasks_per_gpu=1)
by_anna=("${short[@]}" --set vars.styles=anna)
for mode in zero_shot cross_lingual; do
  voice $mode.yaml 1 $mode '[anna]' "$anna"
  align $mode $mode.yaml "${by_anna[@]}"
  spoken $mode 22050 anna
done
voice instruct.yaml 1 instruct '[英文女]' 'instruct: "A calm narrator."'
align instruct instruct.yaml "${short[@]}" --set vars.styles=英文女
spoken instruct 22050 英文女

for version in 2 3; do
  # The model's rate is kept where the pipeline asks for it.
  rate=(--set resample.rate=24000)
  for mode in zero_shot cross_lingual instruct2; do
    voice $mode$version.yaml $version $mode '[anna]' "$anna"
    align $mode$version $mode$version.yaml "${by_anna[@]}" "${rate[@]}"
    spoken $mode$version 24000 anna
  done
  for tasks in 1 2; do  # of several sentences
    align by$tasks$version zero_shot$version.yaml "${rate[@]}" --set vars.styles=anna --set sample.alpha=0.03 \
        --set vars.tasks_per_gpu=$tasks
  done
  # On a card versions 2 and 3 draw from several CUDA streams, and do not repeat themselves.
  if [[ $device == cpu ]]; then alike by1$version by2$version; fi
  # The modes are told apart: what is drawn is the same, and what it is drawn for is not.
  if alike zero_shot$version/audio cross_lingual$version/audio >/dev/null; then exit 1; fi
  # With its own splitter on, what FlowTTS has cut is spoken as it is.
  voice sft$version.yaml $version sft '[英文女]' 'split: true'
  align sft$version sft$version.yaml "${short[@]}" "${rate[@]}" --set vars.styles=英文女
  spoken sft$version 24000 英文女
done
# A sentence on which the language model's thread dies is an error, and no short audio. On a card the
# same would end the process.
if [[ $device == cpu ]]; then
  printf '[{"id": "bad", "conversations": [{"from": "human", "value": "This is Unreadable here."}]}]' >bad.json
  align bad zero_shot2.yaml "${by_anna[@]}" --set vars.input="$out/bad.json" --set sample.alpha=1 \
      --set run.on_error.max_failed=100%
  grep -q '"worker_error"' bad/manifest.jsonl
  grep -q 'index out of range' bad/manifest.jsonl
fi

# What cannot be is said before the first sentence.
# refused WORDS VERSION MODE SPEAKERS [OPTION...]
refused() {
  local words=$1 status=0
  shift
  voice wrong.yaml "$@"
  align wrong wrong.yaml "${by_anna[@]}" 2>err || status=$?
  [[ $status == 3 ]] || { cat err; exit 1; }
  grep -qF "$words" err || { cat err; exit 1; }
}
refused 'instruct2 is for CosyVoice 2 and 3; this model is version 1' 1 instruct2 '[anna]' "$anna"
refused 'instruct is for CosyVoice 1, and this model is version 2' 2 instruct '[anna]'
refused 'load_jit: CosyVoice 3 does not have it' 3 zero_shot '[anna]' "$anna" 'load_jit: true'
refused "anna: 'instruct' is missing; instruct2 wants wav and instruct" 3 instruct2 '[anna]' \
  'prompts: {anna: {wav: model1/prompt.wav}}'
