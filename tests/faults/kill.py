#!/usr/bin/env python3
"""tests/faults/kill.py [--trials N] [--kills K] [--signals S,S] [--seed S] [--records R] [--sink files|shards]

Ends a run at a random moment, goes on with it, ends that too, up to K times, and lets it come to its
end at last. Each time the folder must hold what a run leaves that nothing disturbed: the same
manifest and audio byte for byte, the same failures, the same ledger. Signals are

  KILL         nothing can be said or done any more
  TERM, INT    the run ends in order, with status 143 or 130, or was done already
  TERM+TERM    the second one ends the program at once
  TWO          no signal: a second run on the same folder, which must be refused or find all done

The short form is in ctest (faults/kill). The long ones, half an hour on an idle machine:

    tests/faults/kill.py --trials 1000 --kills 4 --records 400
    tests/faults/kill.py --trials 300 --kills 4 --records 400 --signals TERM,INT,TERM+TERM,TWO
"""
import random
import signal
import subprocess
import time

import harness


def wait(process, seconds):
    """Whether it ended by itself within the time."""
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def end_by(process, name):
    for each in name.split("+"):
        process.send_signal(getattr(signal, "SIG" + each))
        time.sleep(0.001)


def judge_signal(bench, process, name, what):
    """What is wrong with how a run ended that got the signal."""
    out, err = process.communicate(timeout=harness.PATIENCE)
    number = int(getattr(signal, "SIG" + name.split("+")[0]))
    # Before the program has said what it does with a signal, the system ends it.
    allowed = {bench.golden_status, -number} if name == "KILL" else \
              {bench.golden_status, -number, 128 + number}
    if process.returncode in allowed:
        return ""
    return f"{what}: status {process.returncode}, expected one of {sorted(allowed)}\n{out}{err}"


def judge_second(bench, output, first, what):
    """A second run beside the first one."""
    second = bench.run(output)
    in_use = second.returncode == harness.REFUSED and "in use" in second.stderr
    first.communicate(timeout=harness.PATIENCE)
    if first.returncode not in (bench.golden_status, harness.REFUSED):
        return f"{what}: the first of two ended with status {first.returncode}"
    if first.returncode == harness.REFUSED and in_use:
        return f"{what}: of two runs each refused to go on beside the other"
    if in_use or second.returncode == bench.golden_status:
        return ""
    return f"{what}: the second of two ended with status {second.returncode}\n{second.stderr}"


def main():
    given = harness.arguments(__doc__, trials=15, kills=3, signals="KILL,KILL,TERM,TERM+TERM,TWO",
                              seed=1, records=120)
    bench = harness.Bench("kill", records=given.records, sink=given.sink)
    report = harness.Report()
    ended = {}
    for trial in range(given.trials):
        draw = random.Random(f"{given.seed}/{trial}")
        output = bench.output("run")
        what, fault = f"trial {trial}", ""
        for _ in range(draw.randint(1, given.kills)):
            name = draw.choice(given.signals.split(","))
            process = bench.start(output)
            # Half of the moments are early, where more is being made than written.
            moment = draw.random() * bench.golden_seconds * draw.choice((0.4, 1.1))
            what += f", {name} after {moment:.3f} s"
            there = not wait(process, moment)
            if name == "TWO":
                fault = fault or judge_second(bench, output, process, what)
                continue
            if there:
                end_by(process, name)
                ended[name] = ended.get(name, 0) + 1
            fault = fault or judge_signal(bench, process, name, what)
        fault = fault or bench.finish(output, what)
        if not fault:
            fault = bench.finish(output, f"{what}, and a run of what is complete")
        report.add("wrong" if fault else "right after going on", fault)
        if fault:
            output.rename(bench.output(f"fault-{trial}"))
    print(f"signals: {ended}; an undisturbed run takes {bench.golden_seconds:.2f} s")
    report.end("kill")


if __name__ == "__main__":
    main()
