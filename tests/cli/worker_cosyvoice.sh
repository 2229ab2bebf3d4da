# workers/cosyvoice.py against CosyVoice's own code, with tiny random weights. FLOWTTS_COSYVOICE_DIR is
# the folder of its sources (with third_party/Matcha-TTS), FLOWTTS_COSYVOICE_PYTHON a Python with its
# packages. pipelines/align_cosyvoice.yaml as it stands, but for the model's folder and the sources.
sources=${FLOWTTS_COSYVOICE_DIR:-}
python=${FLOWTTS_COSYVOICE_PYTHON:-python3}
if [[ ! -d $sources/cosyvoice ]]; then
  echo "skipped: FLOWTTS_COSYVOICE_DIR does not name CosyVoice's sources"
  exit 0
fi
export CUDA_VISIBLE_DEVICES=
"$python" "$SOURCE_DIR/tests/workers/tiny_cosyvoice.py" "$sources" "$PWD/model"

# voice FILE MODE SPEAKERS [OPTION...]
voice() {
  local file=$1 mode=$2 speakers=$3
  shift 3
  sed -e "s|^command:.*|command: [\"$python\", \"$SOURCE_DIR/workers/cosyvoice.py\"]|" \
      -e "s|^model:.*|model: model|" -e "s|^  code:.*|  code: \"$sources\"|" \
      -e "s|^  mode:.*|  mode: $mode|" -e "s|^speakers:.*|speakers: $speakers|" \
      -e "s|^memory:.*||" "$SOURCE_DIR/configs/voices/cosyvoice.yaml" >"$file"
  local option
  for option; do sed -i "s|^options:|options:\n  $option|" "$file"; done
}
out=$PWD
align() {
  local folder=$1 voice=$2
  shift 2
  (cd "$SOURCE_DIR" && "$FLOWTTS" pipelines/align_cosyvoice.yaml --quiet --set vars.voice="$out/$voice" \
      --set vars.output="$out/$folder" --set synthesize.devices=cpu \
      --set run.on_error.max_failed=5% "$@")
}
voice sft.yaml sft '[英文女, 英文男, 中文女]'
align one sft.yaml --set vars.tasks_per_gpu=1
align two sft.yaml --set vars.tasks_per_gpu=2
# The same bytes from one process and from two, although the model draws random numbers and its
# configuration seeds the generators at each load.
diff -r --exclude=run.json --exclude=run.log one two
python3 - <<'PY'
import glob, json, re, wave
report = json.load(open("one/run.json"))
assert report["items"]["written"] > 3, report["items"]
speakers = set()
for line in map(json.loads, open("one/manifest.jsonl")):
    for turn in line.get("conversations") or line.get("messages") or []:
        for piece in turn.get("sentences", []) if isinstance(turn, dict) else []:
            if "audio" not in piece:
                assert piece.get("error") != "exception", piece
                continue
            speakers.add(piece["speaker"])
            assert re.search(r"/sft_[^/]+_\d+\.wav$", piece["audio"]), piece["audio"]
            with wave.open("one/" + piece["audio"]) as file:
                assert file.getframerate() == 22050 and file.getnframes() == piece["samples"] > 2000
assert speakers <= {"英文女", "英文男", "中文女"} and len(speakers) > 1, speakers
PY

short=(--set vars.tasks_per_gpu=1 --set sample.alpha=0.01)
voice zero.yaml zero_shot '[anna]' 'prompts: {anna: {wav: model/prompt.wav, text: "Hello there."}}'
align zero zero.yaml "${short[@]}" --set vars.styles=anna
voice cross.yaml cross_lingual '[anna]' 'prompts: {anna: {wav: model/prompt.wav}}'
align cross cross.yaml "${short[@]}" --set vars.styles=anna
voice instruct.yaml instruct '[英文女]' 'instruct: "A calm narrator."'
align instruct instruct.yaml "${short[@]}" --set vars.styles=英文女
for folder in zero cross instruct; do
  test "$(find $folder/audio -name 'sft_*.wav' | wc -l)" -ge 1
done
# What cannot be is said before the first sentence.
voice wrong.yaml instruct2 '[anna]' 'prompts: {anna: {wav: model/prompt.wav, instruct: "Slowly."}}'
status=0
align wrong wrong.yaml "${short[@]}" --set vars.styles=anna 2>err || status=$?
[[ $status == 3 ]]
grep -q 'instruct2 is for CosyVoice 2 and 3; this model is version 1' err
