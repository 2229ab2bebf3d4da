# flowtts compare: several voices into one folder, with a page to listen to; a voice that cannot be
# loaded keeps none of the others back.

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
beeps=$SOURCE_DIR/examples/4-python-worker/beeps.yaml
cat >chats.json <<'JSON'
[{"id": "one", "conversations": [{"from": "human", "value": "Is 3 < 4? I think so, \"Tom\" & co."}]},
 {"id": "two", "conversations": [{"from": "human", "value": "What is in the picture?"},
                                 {"from": "gpt", "value": "A boat."},
                                 {"from": "human", "value": "Which one of the boats is it?"}]},
 {"id": "three", "messages": [{"role": "user", "content": "你好"}]}]
JSON

voices=$tones,$beeps
# The voice that comes with FlowTTS, where LibTorch is at hand.
if [[ -e $(dirname "$FLOWTTS")/../lib/libflowtts_torch.so ]]; then
  voices+=,$SOURCE_DIR/configs/voices/default.yaml
fi
expect 0 "$FLOWTTS" compare --voices "$voices" --input chats.json --output all
says out 'Listen: all/index.html'
says all/index.html 'Is 3 &lt; 4?'
says all/index.html 'What is in the picture?'
says all/index.html 'unspeakable'
says all/index.html '0.03 to 1.3 s a character'  # the gate of the tones
# Every voice has the same rows, all audio is there, and nothing is missing.
python3 - all "$voices" <<'PY'
import os, sys
from html.parser import HTMLParser

class Page(HTMLParser):
    rows, cells, audio = 0, [], []
    def handle_starttag(self, tag, attributes):
        if tag == "tr": self.cells.append(0)
        if tag == "td": self.cells[-1] += 1
        if tag == "audio": self.audio.append(dict(attributes)["src"])

folder, voices = sys.argv[1], sys.argv[2].split(",")
page = Page()
page.feed(open(folder + "/index.html", encoding="utf-8").read())
assert len(page.cells) >= 6 and set(page.cells[2:]) == {len(voices)}, page.cells
for name in page.audio:
    assert os.path.getsize(os.path.join(folder, name)) > 1000, name
spoken = [name.split("/", 1)[1] for name in page.audio]
assert len([name for name in spoken if spoken.count(name) == len(voices)]) == len(spoken), spoken
PY

# Again: nothing is made anew, and the page is there again.
find all -name '*.wav' -printf '%p %T@\n' | sort >before
rm all/index.html
expect 0 "$FLOWTTS" compare --voices "$voices" --input chats.json --output all
find all -name '*.wav' -printf '%p %T@\n' | sort | diff before -
[[ -s all/index.html ]]
# Other sentences do not go over those that are there.
expect 2 "$FLOWTTS" compare --voices "$tones" --input chats.json --output all --texts 1
says err 'all/tones'
says err 'by another --output'

# Two voices of one name get a folder each.
cp "$tones" second.yaml
expect 0 "$FLOWTTS" compare --voices "$tones" --voices second.yaml --input chats.json --output twice
[[ -s twice/tones/manifest.jsonl && -s twice/tones-2/manifest.jsonl ]]

# A sentence has no more words than the voice with the lowest limit takes.
sed 's/^name: .*/name: short/; $a limits: {max_words: 3}' "$tones" >short.yaml
expect 0 "$FLOWTTS" compare --voices "$tones,short.yaml" --input chats.json --output short
! grep -q sentence_too_long short/index.html

# Voices that cannot be had: by their file, and as they are loaded.
echo 'raise SystemExit("no module named torch")' >torn.py
sed 's/beeps.py/torn.py/; s/^name: .*/name: torn/' "$beeps" >torn.yaml
expect 1 "$FLOWTTS" compare --voices "nowhere.yaml,torn.yaml,$tones" --input chats.json --output some
says err 'nowhere.yaml: error[unreadable-file]'
says err 'no module named torch'
says out 'not spoken'
says some/index.html 'the file cannot be opened'
says some/index.html 'no module named torch'
says some/index.html 'src="tones/audio/'
expect 3 "$FLOWTTS" compare --voices torn.yaml --input chats.json --output none
[[ ! -e none/index.html ]]
expect 2 "$FLOWTTS" compare --voices nowhere.yaml --input chats.json --output none

# What is refused before anything is read.
expect 2 "$FLOWTTS" compare
says err '--voices is missing'
for count in 0 -1 few 3x; do
  expect 2 "$FLOWTTS" compare --voices "$tones" --texts "$count"
  says err "--texts: found '$count'; allowed is a whole number from 1 on"
done
expect 2 "$FLOWTTS" compare --voices "$tones" --input nowhere.json
says err 'there is no file nowhere.json; --input names'
