#!/usr/bin/env python3
"""tests/faults/bit_flips.py [--flips N] [--records R] [--sink files|shards] [--seed S]

Flips a bit in a file of the output folder:

  interrupted: in the journal or the manifest of a run that was killed. Going on must find it and end
               as a run that nothing disturbed.
  complete:    in the journal or the manifest of a run that is complete. Going on must either leave a
               folder that is as it should be, or leave it to `flowtts verify`, which must end with
               status 1 and name the file; `flowtts verify --repair` must put it right.
  audio:       in a file of audio or a shard. `flowtts verify` must name the file, and --repair put it
               right.

ctest (faults/bit_flips) has a short form. The long one:

    tests/faults/bit_flips.py --flips 400
"""
import random
import shutil
import subprocess

import harness


def flip(path, draw):
    content = bytearray(path.read_bytes())
    place, bit = draw.randrange(len(content)), draw.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} of {path.name}"


def has_verify():
    done = subprocess.run([harness.FLOWTTS, "verify", "--help"], capture_output=True, text=True)
    return done.returncode == 0


def verify(output, *arguments):
    done = subprocess.run([harness.FLOWTTS, "verify", str(output), *arguments], capture_output=True,
                          text=True, errors="replace", timeout=harness.PATIENCE)
    return done


def check_by_verify(bench, output, path, what):
    """Found by verify, which names the file; put right by --repair."""
    found = verify(output)
    told = found.stdout + found.stderr
    if found.returncode != 1:
        return f"{what}: verify ended with status {found.returncode}\n{told}"
    if path.name not in told:
        return f"{what}: verify does not name {path.name}\n{told}"
    repaired = verify(output, "--repair")
    if repaired.returncode not in (0, bench.golden_status):
        return (f"{what}: verify --repair ended with status {repaired.returncode}\n"
                f"{repaired.stdout}{repaired.stderr}")
    again = verify(output)
    if again.returncode != 0:
        return f"{what}: verify after --repair ended with {again.returncode}\n{again.stdout}"
    return f"{what}: after --repair {found}" if (found := bench.differences(output)) else ""


def main():
    given = harness.arguments(__doc__, flips=12, records=24, seed=1)
    bench = harness.Bench("bit_flips", records=given.records, sink=given.sink)
    report = harness.Report()
    log = bench.folder / "calls"
    bench.run(bench.output("counted"), env=bench.faulty(bench.output("counted"), log=log))
    calls = len(log.read_text().splitlines())
    can_verify = has_verify()
    for number in range(given.flips):
        draw = random.Random(f"{given.seed}/{number}")
        output = bench.output("run")
        # Killed somewhere in the second half, when there is a manifest.
        at = draw.randint(calls // 2, calls - 5)
        bench.run(output, env=bench.faulty(output, at=at, kind="kill"))
        path = output / draw.choice(("journal.jsonl", "manifest.jsonl"))
        if not path.exists() or path.stat().st_size == 0:
            report.add("interrupted: nothing to flip yet")
        elif b'{"end":' in (output / "journal.jsonl").read_bytes():
            report.add("interrupted: was complete")
        else:
            what = f"flip {number}, killed at call {at}, {flip(path, draw)}"
            fault = bench.finish(output, what)
            report.add("interrupted: " + ("wrong" if fault else "right after going on"), fault)
            if fault:
                output.rename(bench.output(f"fault-interrupted-{number}"))

        for kind, names in (("complete", ("journal.jsonl", "manifest.jsonl")), ("audio", None)):
            output = bench.output("run")
            shutil.copytree(bench.golden, output)
            if names:
                path = output / draw.choice(names)
            else:
                path = draw.choice(sorted([*output.rglob("*.wav"), *output.rglob("*.tar")]))
            what = f"{kind} flip {number}, {flip(path, draw)}"
            if kind == "complete":
                done = bench.run(output, "--json")
                left = bench.differences(output)
                if not left and done.returncode == bench.golden_status:
                    if told := bench.told_differently(done):
                        report.add("complete: wrong", f"{what}: {told}")
                        continue
                if done.returncode == bench.golden_status and not left:
                    report.add("complete: right after going on")
                    continue
                if done.returncode not in (bench.golden_status, harness.ENVIRONMENT):
                    report.add("complete: wrong", f"{what}: status {done.returncode}\n{done.stderr}")
                    continue
            if not can_verify:
                report.add(f"{kind}: not tried, there is no `flowtts verify`")
                continue
            fault = check_by_verify(bench, output, path, what)
            report.add(f"{kind}: " + ("wrong" if fault else "found, named and put right by verify"),
                       fault)
            if fault:
                output.rename(bench.output(f"fault-{kind}-{number}"))
    report.end("bit_flips")


if __name__ == "__main__":
    main()
