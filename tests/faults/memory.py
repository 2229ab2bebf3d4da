#!/usr/bin/env python3
"""tests/faults/memory.py [--trials N] [--records R] [--sink files|shards] [--seed S]

Lets memory run out: one call of operator new, or a hundred in a row, throws std::bad_alloc, at a
random moment of a run. Then either items fail by name, or the run ends with status 2 or 3, or the
program ends as a C++ program does that has no memory to throw an exception with. Never may it end
with status 0 and something missing that is not told of. Going on and `flowtts retry`, which makes
what failed again, must give the result of a run that nothing disturbed.

ctest (faults/memory) has a short form. The long one:

    tests/faults/memory.py --trials 2000
"""
import json
import random
import subprocess

import harness

SHIM = harness.SHIM.with_name("libflowtts_memory_shim.so")
ABORTED = -6


def retry(output):
    return subprocess.run([harness.FLOWTTS, "retry", str(output), "--quiet"], capture_output=True,
                          text=True, errors="replace", timeout=harness.PATIENCE)


def main():
    given = harness.arguments(__doc__, trials=20, records=24, seed=1)
    bench = harness.Bench("memory", records=given.records, sink=given.sink)
    report = harness.Report()
    count = bench.folder / "count"
    bench.run(bench.output("counted"), env={"LD_PRELOAD": str(SHIM), "FLOWTTS_NEW_COUNT": str(count)})
    calls = int(count.read_text())
    print(f"{calls} calls of operator new in a run")
    for trial in range(given.trials):
        draw = random.Random(f"{given.seed}/{trial}")
        at, many = draw.randint(1, calls), draw.choice((1, 1, 100))
        what = f"call {at} and {many - 1} more"
        output = bench.output("run")
        done = bench.run(output, "--json", env={"LD_PRELOAD": str(SHIM),
                                                "FLOWTTS_NEW_FAILS_AT": str(at),
                                                "FLOWTTS_NEW_FAILS": str(many)})
        fault = ""
        if done.returncode in (harness.GOOD, harness.OVER_POLICY):
            told = json.loads(done.stdout)["records"]
            if told["read"] != told["written"] + told["filtered"] + told["failed"]:
                fault = f"{what}: the ledger does not balance: {told}"
        elif done.returncode not in (harness.REFUSED, harness.ENVIRONMENT, ABORTED):
            fault = f"{what}: status {done.returncode}\n{done.stderr}"
        elif done.returncode != ABORTED and not done.stderr.strip():
            fault = f"{what}: status {done.returncode} without a word"
        if not fault:
            bench.run(output)
            retry(output)
            fault = bench.finish(output, f"{what}, status {done.returncode}, then retry")
        report.add(f"status {done.returncode}, " + ("wrong" if fault else "then right"), fault)
        if fault and output.exists():
            output.rename(bench.output(f"fault-{trial}"))
    report.end("memory")


if __name__ == "__main__":
    main()
