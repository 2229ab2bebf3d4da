#!/usr/bin/env python3
"""tests/faults/kill.py [--trials N] [--kills K] [--seed S] [--records R]

Kills a run with SIGKILL at a random moment, goes on with it, kills that too, up to K times, and lets
it come to its end at last. Each time the folder must hold what a run leaves that nothing disturbed:
the same manifest and audio byte for byte, the same failures, the same ledger.

The short form is in ctest (faults/kill). The long one, some ten minutes on an idle machine:

    tests/faults/kill.py --trials 1000 --kills 4
"""
import random
import signal
import time

import harness


def main():
    given = harness.arguments(__doc__, trials=15, kills=3, seed=1, records=120)
    bench = harness.Bench("kill", records=given.records)
    report = harness.Report()
    kills = 0
    for trial in range(given.trials):
        draw = random.Random(f"{given.seed}/{trial}")
        output = bench.output("run")
        what = f"trial {trial}"
        for _ in range(draw.randint(1, given.kills)):
            process = bench.start(output)
            # Half of the moments are early, where more is being made than written.
            moment = draw.random() * bench.golden_seconds * draw.choice((0.4, 1.1))
            what += f", killed after {moment:.3f} s"
            try:
                process.wait(moment)
            except Exception:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate()
        fault = bench.finish(output, what)
        if not fault:
            fault = bench.finish(output, f"{what}, and a run of what is complete")
        report.add("wrong" if fault else "right after going on", fault)
        if fault:
            output.rename(bench.folder / f"fault-{trial}")
    print(f"{kills} kills; an undisturbed run takes {bench.golden_seconds:.2f} s")
    report.end("kill")


if __name__ == "__main__":
    main()
