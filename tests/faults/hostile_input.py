#!/usr/bin/env python3
"""tests/faults/hostile_input.py [--memory MIB]

What no tool writes, given to the command as a user would: the good records around it must come out
as if it were not there, nothing may be written outside the output folder, no run may take more
memory than MIB, and the command ends with a status that says what it was.

What the reader of conversations and the compiler of pipelines say of each single kind is in
tests/stages/io/conversations.cases and tests/core/config; here they run through a whole pipeline.
"""
import json
import resource
import shutil

import harness

GOOD = [json.dumps({"id": f"good-{number}", "conversations": [
    {"from": "human", "value": f"This is the good record number {number}."}]}).encode()
    for number in range(6)]


def turn(value):
    return b'[{"from": "human", "value": ' + value + b"}]"


# Records of which nothing good can come, one line each; the reason is what failures.jsonl says.
BAD = {
    "cut off in a string": b'{"id": "b", "conversations": [{"from": "hum',
    "cut off in a list": b'{"id": "b", "conversations": [',
    "brackets that do not match": b'{"id": "b", "conversations": [}]}',
    "a number": b"17",
    "a number beyond all bounds": b"1e99999",
    "a text": b'"text"',
    "null": b"null",
    "nothing but commas": b",,,,",
    "bytes that are no text": bytes(range(128, 256)),
    "NUL bytes": b"\0" * 64,
    "control characters in a string": b'{"id": "b\x01", "conversations": []}',
    "an unknown escape": b'{"id": "\\q", "conversations": []}',
    "no turns": b'{"id": "b"}',
    "turns that are a number": b'{"id": "b", "conversations": 7}',
    "a turn that is a list": b'{"id": "b", "conversations": [[]]}',
    "a value that is an object": b'{"id": "b", "conversations": ' + turn(b'{"a": 1}') + b"}",
    "deep lists": b'{"id": "b", "conversations": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep lists without an end": b"[" * 200_000,
    "more turns than allowed": b'{"id": "b", "conversations": [' +
                               b'{"from": "human", "value": "x"},' * 20_000 + b"]}",
    "a record that is too large": b'{"id": "b", "conversations": ' +
                                  turn(b'"' + b"word " * (15 << 20) + b'"') + b"}",
    "a key that is too large": b'{"' + b"k" * (70 << 20) + b'": 1}',
}

# Records that are odd and good: each is to be spoken, or left out with a reason.
ODD = {
    "a lone surrogate": b'{"id": "o", "conversations": ' + turn(b'"One \\udc00 day."') + b"}",
    "bytes that are no UTF-8 in a text": b'{"id": "o", "conversations": ' + turn(b'"A \xff b."') + b"}",
    "NUL escapes": b'{"id": "o\\u0000p", "conversations": ' + turn(b'"A \\u0000 b."') + b"}",
    "keys twice": b'{"id": "o", "id": "p", "conversations": [], "conversations": ' +
                  turn(b'"A b."') + b"}",
    "a huge number beside": b'{"id": "o", "n": 1e400, "m": ' + b"9" * 400 + b', "conversations": ' +
                            turn(b'"A b."') + b"}",
    "an id of 3000 characters": b'{"id": "' + b"i" * 3000 + b'", "conversations": ' +
                                turn(b'"A b."') + b"}",
    "ids that climb": b'{"id": "../../../climbed", "conversations": ' + turn(b'"A b."') + b"}",
    "an absolute id": b'{"id": "/tmp/absolute", "conversations": ' + turn(b'"A b."') + b"}",
    "an id of dots": b'{"id": "..", "conversations": ' + turn(b'"A b."') + b"}",
    "ids that differ in case": b'{"id": "GOOD-1", "conversations": ' + turn(b'"A b."') + b"}",
    "ids that differ in composition": '{"id": "caf\u00e9", "conversations": '.encode() +
                                      turn(b'"A b."') + b'}\n' +
                                      '{"id": "cafe\u0301", "conversations": '.encode() +
                                      turn(b'"C d."') + b"}",
    "a name of a device": b'{"id": "con", "conversations": ' + turn(b'"A b."') + b"}",
    "a line feed in an id": b'{"id": "a\\nb", "conversations": ' + turn(b'"A b."') + b"}",
    "a text of one long word": b'{"id": "o", "conversations": ' + turn(b'"' + b"x" * 100_000 + b'"') +
                               b"}",
    "a text of marks alone": b'{"id": "o", "conversations": ' + turn(b'"' + b"*_`[](" * 5_000 + b'"') +
                             b"}",
    "half a million brackets": b'{"id": "o", "conversations": ' + turn(b'"' + b"(" * 500_000 + b'"') +
                               b"}",
    "direction marks and zero widths": '{"id": "o\u202e", "conversations": '.encode() +
                                       turn('"A\u200b \u202e b."'.encode()) + b"}",
}


def files_of(output):
    """The good records' audio, by name."""
    return {path.name: path.read_bytes() for path in output.rglob("good-*.wav")}


def run_on(bench, name, content, limit="1GiB"):
    bench.input.write_bytes(content)
    output = bench.output(name)
    done = bench.run(output, "--json", "--set", f"run.memory_limit={limit}", "--set",
                     "sample.alpha=1")
    return output, done


def judge(bench, usual, what, content):
    """Runs on good records with something between them. What is wrong, or nothing."""
    before = sorted(path.name for path in bench.folder.iterdir())
    output, done = run_on(bench, "run", content)
    if done.returncode != harness.GOOD:
        return f"{what}: status {done.returncode}\n{done.stderr[-500:]}"
    report = json.loads(done.stdout)
    records = report["records"]
    if records["read"] != records["written"] + records["filtered"] + records["failed"]:
        return f"{what}: the ledger does not balance: {records}"
    found = files_of(output)
    for name, content in usual.items():
        if found.get(name) != content:
            return f"{what}: {name} is not as without it"
    lines = (output / "manifest.jsonl").read_bytes().splitlines()
    indexes = [json.loads(line)["index"] for line in lines]
    if indexes != list(range(records["read"])):
        return f"{what}: the manifest has the records {indexes}"
    for path in output.rglob("*"):
        if not path.resolve().is_relative_to(output) or len(path.name.encode()) > 255:
            return f"{what}: {path} is no place for a file"
    names = [str(path).casefold() for path in output.rglob("*")]
    if len(names) != len(set(names)):
        return f"{what}: names differ in case alone"
    after = sorted(path.name for path in bench.folder.iterdir() if path != output)
    if set(after) - set(before) - {"run.yaml"}:
        return f"{what}: written outside the output folder: {set(after) - set(before)}"
    return ""


def hostile_paths(bench, report):
    """Places that are no files, or no folders."""
    bench.input.write_bytes(b"\n".join(GOOD))
    place = bench.folder / "places"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "file").write_text("x")
    (place / "loop").symlink_to("loop")
    cases = [
        ("an input that is a folder", f"load.path={place}", (2, 3)),
        ("an input that is not there", f"load.path={place}/none", (2, 3)),
        ("an input without an end or sense", "load.path=/dev/zero", (1, 2, 3)),
        ("an input that is empty", "load.path=/dev/null", (2, 3)),
        ("an input that is a loop of links", f"load.path={place}/loop", (2, 3)),
        ("a voice without an end", "synthesize.voice=/dev/zero", (2,)),
        ("a voice that is a folder", f"synthesize.voice={place}", (2,)),
        ("a voice that is its own model", f"synthesize.voice={bench.input}", (2,)),
        ("an output that is a file", f"run.output={place}/file", (2,)),
        ("an output below a file", f"run.output={place}/file/x", (2, 3)),
        ("an output that is a device", "run.output=/dev/null", (2,)),
        ("an output in a loop of links", f"run.output={place}/loop/x", (2, 3)),
        ("an output of somebody else", f"run.output={bench.folder}", (2,)),
        ("an output with a name too long", f"run.output={place}/{'n' * 300}", (2, 3)),
    ]
    for what, argument, allowed in cases:
        output = bench.output("run")
        done = bench.run(output, "--set", argument)
        fault = ""
        if done.returncode not in allowed:
            fault = f"{what}: status {done.returncode}, expected one of {allowed}\n{done.stderr}"
        elif not done.stderr.strip():
            fault = f"{what}: status {done.returncode} without a word"
        report.add(f"places: status {done.returncode}", fault)


def main():
    given = harness.arguments(__doc__, memory=600)
    bench = harness.Bench("hostile_input", records=12)
    report = harness.Report()
    output, done = run_on(bench, "usual", b"\n".join(GOOD))
    usual = files_of(output)
    if done.returncode != harness.GOOD or len(usual) != len(GOOD):
        harness.fail("the good records alone are not spoken", done)
    for kind, records in (("bad", BAD), ("odd", ODD)):
        for what, record in records.items():
            lines = GOOD[:3] + [record] + GOOD[3:]
            report.add(f"{kind} records between good ones",
                       judge(bench, usual, f"{kind}: {what}, as lines", b"\n".join(lines)))
            if what in ("nothing but commas", "deep lists without an end", "cut off in a list",
                        "ids that differ in composition"):
                continue  # in an array these are other things
            report.add(f"{kind} records between good ones",
                       judge(bench, usual, f"{kind}: {what}, in an array",
                             b"[" + b",\n".join(lines) + b"]"))
    everything = [line for record in (*BAD.values(), *ODD.values()) for line in (record, GOOD[0])]
    report.add("all of them at once", judge(bench, usual, "all at once",
                                            b"\n".join(GOOD[:3] + everything + GOOD[3:])))
    hostile_paths(bench, report)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    report.add("the most memory of any", "" if most < given.memory << 20 else
               f"a run took {most >> 20} MiB of memory")
    print(f"the most memory that a run took: {most >> 20} MiB")
    report.end("hostile_input")


if __name__ == "__main__":
    main()
