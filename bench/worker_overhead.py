#!/usr/bin/env python3
"""What a worker costs: a model that sleeps for 50 ms an item and gives 3 s of audio, called in a bare
Python loop, and by FlowTTS through one worker process, in turns.

    python3 bench/worker_overhead.py build/release/cli/flowtts [--items 200] [--turns 3] [--sleep 0.05]

FlowTTS's figures are the run's own, with reading, the front end, 16-bit wav files with a sync for each,
and the manifest: what each item takes, from runs of two lengths, and what is left, which a run takes once
(the last files, the manifest's order, the worker's end). The bare loop only calls the model. Wanted: at
most 3% more an item.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

MODEL = '''
import array
import time

import flowtts_worker


class Sleeper(flowtts_worker.Worker):
    sample_rate = 24000
    batch_invariant = True

    def load(self, device):
        self.audio = array.array("f", bytes(4 * 3 * 24000))
        self.seconds = self.options.get("sleep", 0.05)
        self.max_batch = self.options.get("batch", 1)

    def synthesize(self, items):
        for item in items:
            time.sleep(self.seconds)
            yield self.audio


if __name__ == "__main__":
    flowtts_worker.run(Sleeper)
'''

BARE = '''
import sys, time
import model
import flowtts_worker
voice = model.Sleeper()
voice.options = {"sleep": float(sys.argv[2])}
voice.load("cpu")
items = [flowtts_worker.Item(i, "text") for i in range(int(sys.argv[1]))]
begin = time.monotonic()
for item in items:
    audio = list(voice.synthesize([item]))[0]
print(time.monotonic() - begin)
'''


def voice_file(sleep, batch):
    return ("flowtts_voice: 1\nname: sleeper\nformat: worker\ncommand: [%s, model.py]\n"
            "options: {sleep: %g, batch: %d}\nsample_rate: 24000\nfront_end: {type: text}\n"
            "speakers: [one]\n" % (json.dumps(sys.executable), sleep, batch))


def pipeline_file(folder, out):
    return json.dumps({
        "flowtts": 1, "name": "overhead", "run": {"seed": 1, "output": str(out)},
        "stages": [
            {"id": "load", "type": "load_conversations", "with": {"path": str(folder / "in.jsonl")}},
            {"id": "split", "type": "split_sentences"},
            {"id": "phonemize", "type": "phonemize", "with": {"voice": str(folder / "voice.yaml")}},
            {"id": "synthesize", "type": "synthesize", "devices": "cpu", "lanes": 1,
             "with": {"voice": str(folder / "voice.yaml")}},
            {"id": "write", "type": "write_audio", "with": {"format": "wav"}},
            {"id": "manifest", "type": "write_manifest"}]})


def run_bare(folder, sdk, items, sleep):
    spoken = subprocess.run(
        [sys.executable, "-c", BARE, str(items), str(sleep)], cwd=folder, check=True,
        env={"PYTHONPATH": "%s:%s" % (sdk, folder)}, capture_output=True)
    return float(spoken.stdout)


def run_flowtts(flowtts, folder, items):
    """Seconds from the first record to the end."""
    with open(folder / "in.jsonl", "w") as file:
        for place in range(items):
            turn = {"from": "human", "value": "This is sentence number %d of them all." % place}
            file.write(json.dumps({"id": str(place), "conversations": [turn]}) + "\n")
    out = pathlib.Path(tempfile.mkdtemp(dir=folder)) / "out"
    (folder / "pipeline.yaml").write_text(pipeline_file(folder, out))
    subprocess.run([flowtts, str(folder / "pipeline.yaml"), "--quiet"], check=True)
    report = json.loads((out / "run.json").read_text())
    assert report["items"]["written"] == items, report["items"]
    shutil.rmtree(out)
    return report["seconds"] - report["start_seconds"]


def words(bare, each, once):
    return ("bare loop %.2f ms an item, FlowTTS %.2f ms (%+.2f%%) and once %.0f ms"
            % (bare * 1e3, each * 1e3, (each / bare - 1) * 100, once * 1e3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("flowtts")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sleep", type=float, default=0.05)
    parser.add_argument("--batch", type=int, default=1)
    given = parser.parse_args()
    sdk = pathlib.Path(__file__).resolve().parent.parent / "workers"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "model.py").write_text(MODEL)
        (folder / "voice.yaml").write_text(voice_file(given.sleep, given.batch))
        few = given.items // 4
        rows = []
        for turn in range(given.turns):
            bare = run_bare(folder, sdk, given.items, given.sleep) / given.items
            short = run_flowtts(given.flowtts, folder, few)
            long = run_flowtts(given.flowtts, folder, given.items)
            each = (long - short) / (given.items - few)
            rows.append((bare, each, short - few * each))
            print("turn %d: %s" % (turn + 1, words(*rows[-1])), flush=True)
        print("medians: " + words(*(statistics.median(column) for column in zip(*rows))))


if __name__ == "__main__":
    main()
