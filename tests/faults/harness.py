"""What the fault tests share: a small pipeline with the voice of tones, run by the command as a user
would, and the comparison of what it left with an uninterrupted run.

FLOWTTS is the command (build/dev/cli/flowtts unless told otherwise), SHIM the library of
fault_shim.cc beside it, SCRATCH a folder to work in (a temporary one unless told otherwise).
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOWTTS = pathlib.Path(os.environ.get("FLOWTTS", ROOT / "build/dev/cli/flowtts")).resolve()
SHIM = pathlib.Path(os.environ.get("SHIM", FLOWTTS.parents[1] / "tests/libflowtts_fault_shim.so"))

# Written by core for people, with times in it, or as the means to go on: compared by what it says.
CORE_FILES = ("run.json", "failures.jsonl", "journal.jsonl", "log")

GOOD, OVER_POLICY, REFUSED, ENVIRONMENT = 0, 1, 2, 3
PATIENCE = 120  # seconds until a run counts as hung

PIPELINE = """
flowtts: 1
name: faults
vars: {{input: "{input}", output: "{output}"}}
run: {{seed: 7, output: "${{output}}", max_in_flight: {in_flight}, commit_every_s: {commit_every}, on_error: {{retries: 2, max_failed: 50%}}}}
stages:
  - {{id: load, type: load_conversations, with: {{path: "${{input}}"}}}}
  - {{id: sample, type: sample, with: {{alpha: 0.8}}}}
  - {{id: clean, type: clean_text}}
  - {{id: split, type: split_sentences, with: {{max_words: 12}}}}
  - {{id: phonemize, type: phonemize, with: {{voice: "{voice}"}}}}
  - {{id: synthesize, type: synthesize, batch: {{max_items: 8, max_wait_ms: 1}}, lanes: 2, with: {{voice: "{voice}", speed: 2}}}}
{sink}"""
SINKS = {
    "files": """
  - {id: write, type: write_audio, concurrency: 2, with: {name: "{id}_{turn}_{sentence}"}}
  - {id: manifest, type: write_manifest}
""",
    "shards": """
  - {id: encode, type: encode_audio, concurrency: 2, with: {name: "{id}_{turn}_{sentence}"}}
  - {id: write, type: write_webdataset, with: {max_samples: 7}}
""",
}
VOICE = """
flowtts_voice: 1
name: tones
format: tones
sample_rate: 4000
languages: [en]
front_end: {type: flite_us}
speakers: [low, high]
"""
WORDS = ("boat sea salt rivers flow cold morning light house garden small bread water stone paper "
         "green yellow answer question school teacher music window people travel").split()


class Bench:
    """A scratch folder with an input, a voice and a pipeline, and the result of a run of it that
    nothing disturbed."""

    def __init__(self, name, records=40, seed=1, sink="files", in_flight=16, commit_every=0.02):
        scratch = os.environ.get("SCRATCH")
        if not scratch:
            scratch = tempfile.mkdtemp(prefix=f"flowtts-faults-{name}-")
        self.folder = pathlib.Path(scratch).resolve() / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.settings = {"sink": SINKS[sink], "in_flight": in_flight, "commit_every": commit_every}
        self.input = self.folder / "input.json"
        self.input.write_bytes(make_input(records, seed))
        self.voice = self.folder / "voice.yaml"
        self.voice.write_text(VOICE)
        self.golden = self.folder / "golden"
        self.golden_seconds = None
        begin = time.monotonic()
        done = self.run(self.golden)
        self.golden_seconds = time.monotonic() - begin
        self.golden_status = done.returncode
        if done.returncode not in (GOOD, OVER_POLICY):
            fail(f"the run that nothing disturbs ended with status {done.returncode}", done)
        self.expected = Snapshot(self.golden)
        if len(self.expected.files) < 3:
            fail(f"the run that nothing disturbs made only {sorted(self.expected.files)}")

    def command(self, output, *arguments):
        pipeline = self.folder / f"{output.name}.yaml"
        pipeline.write_text(PIPELINE.format(input=self.input, output=output, voice=self.voice,
                                            **self.settings))
        return [str(FLOWTTS), str(pipeline), "--quiet", *arguments]

    def start(self, output, *arguments, env=None):
        return subprocess.Popen(self.command(output, *arguments), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                errors="replace", env={**os.environ, **(env or {})})

    def run(self, output, *arguments, env=None):
        """One run of the command, to its end."""
        process = self.start(output, *arguments, env=env)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += f"\n(killed after {PATIENCE} s: it hung)"
            return subprocess.CompletedProcess(process.args, "hung", out, err)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def output(self, name):
        """A folder for a run, empty."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def faulty(self, output, at=0, kind="", only="", stays=False, log=None):
        """The environment in which the shim does that to what is done below the output folder."""
        env = {"LD_PRELOAD": str(SHIM), "FLOWTTS_FAULT_BELOW": str(output),
               "FLOWTTS_FAULT_AT": str(at), "FLOWTTS_FAULT_KIND": kind, "FLOWTTS_FAULT_ONLY": only,
               "FLOWTTS_FAULT_STAYS": "1" if stays else ""}
        if os.environ.get("FLOWTTS_PRELOAD"):  # a sanitizer's library comes first
            env["LD_PRELOAD"] = os.environ["FLOWTTS_PRELOAD"] + ":" + env["LD_PRELOAD"]
        if log:
            env["FLOWTTS_FAULT_LOG"] = str(log)
        return env

    def differences(self, output):
        """What is not as in the run that nothing disturbed, in words; empty where nothing is."""
        return self.expected.differences(Snapshot(output))

    def told_differently(self, done):
        """How the ledger that a run printed differs from the usual one; empty where it does not."""
        try:
            told = ledger(json.loads(done.stdout))
        except ValueError as error:
            return f"what it printed is no JSON ({error}): {done.stdout[:200]}"
        usual = ledger(self.expected.report)
        return "" if told == usual else f"it told of {told}, expected {usual}"

    def finish(self, output, what):
        """Goes on with a run to its end, which must give what it would have given undisturbed.
        What is wrong, or nothing."""
        done = self.run(output, "--json")
        if done.returncode != self.golden_status:
            return f"{what}: going on ended with status {done.returncode}\n{done.stderr}"
        found = self.differences(output) or self.told_differently(done)
        return f"{what}: after going on {found}" if found else ""


class Snapshot:
    """What a run left: every file but core's own by its bytes, and the failures by what they say."""

    def __init__(self, folder):
        self.files = {}
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_file() and name.split("/")[0] not in CORE_FILES:
                self.files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        self.failures = set()
        self.report = None
        self.broken = []
        failures = folder / "failures.jsonl"
        for line in failures.read_bytes().split(b"\n")[:-1] if failures.exists() else []:
            try:
                failure = json.loads(line)
                self.failures.add(json.dumps([failure.get(key) for key in
                                              ("index", "stage", "path", "error")]))
            except ValueError:
                self.broken.append(line[:80])

        try:
            self.report = json.loads((folder / "run.json").read_bytes())
        except (OSError, ValueError) as error:
            self.broken.append(f"run.json: {error}")

    def differences(self, other):
        lost = sorted(set(self.files) - set(other.files))
        more = sorted(set(other.files) - set(self.files))
        changed = sorted(name for name in set(self.files) & set(other.files)
                         if self.files[name] != other.files[name])
        found = []
        for what, names in (("missing", lost), ("not expected", more), ("different", changed)):
            if names:
                found.append(f"{what}: {', '.join(names[:4])}" +
                             (f" and {len(names) - 4} more" if len(names) > 4 else ""))
        if self.failures != other.failures:
            found.append(f"failures differ: {sorted(self.failures ^ other.failures)[:3]}")
        if other.broken:
            found.append(f"cannot be read: {other.broken[:2]}")
        elif ledger(self.report) != ledger(other.report):
            found.append(f"run.json has {ledger(other.report)}, expected {ledger(self.report)}")
        return "; ".join(found)


def ledger(report):
    """How a run ended and what became of its records and items, as its report has it."""
    return [report.get(key) for key in ("state", "records", "items")]


def make_input(records, seed):
    """Conversations, and every twelfth something that is none."""
    draw = random.Random(seed)
    broken = [b'{"id": "x", "conversations": 7}', b'{"id": "cut', b'17', b'{"id": "y"}',
              b'{"id": "z", "conversations": [{"from": "human", "value": "a \xff b."}]}',
              b'{"id": "w", "conversations": [{"from": "human", "value": "\\ud83d"}]}',
              b'{"id": "../../up", "conversations": [{"from": "human", "value": "Where am I?"}]}']
    lines = []
    for number in range(records):
        if number % 12 == 5:
            lines.append(broken[number // 12 % len(broken)])
            continue
        turns = []
        for _ in range(draw.randint(1, 2)):
            text = " ".join(" ".join(draw.choice(WORDS) for _ in range(draw.randint(2, 6))).capitalize()
                            + "." for _ in range(draw.randint(1, 3)))
            turns += [{"from": "human", "value": text}, {"from": "gpt", "value": "Yes."}]
        # Every seventh id is there before.
        name = f"r{number - 7 if number % 7 == 6 else number}"
        lines.append(json.dumps({"id": name, "conversations": turns}).encode())
    return b"\n".join(lines) + b"\n"


def fail(message, done=None):
    print("FAULT: " + message, flush=True)
    if done is not None:
        print(done.stdout + done.stderr, flush=True)
    sys.exit(1)


class Report:
    """Counts what was tried, by outcome, and keeps what went wrong. SIGTERM ends a long run early,
    with the counts so far."""

    def __init__(self):
        self.outcomes = {}
        self.faults = []
        self.begin = time.monotonic()
        signal.signal(signal.SIGTERM, lambda *_: self.end("stopped early"))

    def add(self, outcome, fault=""):
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if fault:
            self.faults.append(fault)
            print("FAULT: " + fault, flush=True)

    def end(self, what):
        print(f"{what}: {sum(self.outcomes.values())} tried in {time.monotonic() - self.begin:.0f} s")
        for outcome, count in sorted(self.outcomes.items()):
            print(f"  {count:6} {outcome}")
        print(f"  {len(self.faults)} faults" + ("" if self.faults else ": none"))
        sys.exit(1 if self.faults else 0)


def arguments(description, **defaults):
    """--NAME VALUE for each default, of the default's type."""
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sink", choices=SINKS, default="files", help="what the pipeline ends in")
    for name, value in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    return parser.parse_args()
