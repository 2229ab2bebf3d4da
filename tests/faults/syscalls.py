#!/usr/bin/env python3
"""tests/faults/syscalls.py [--kinds K,L] [--every N] [--records R] [--sink files|shards] [--only CALLS]

Lets every call that changes the output folder go wrong in turn: the n-th one fails with ENOSPC, EIO
or EINTR, writes half of what it should, or the program is killed before or after it, or in the
middle of it. A kind with a + behind it lasts: all calls from the n-th on go wrong, as on a full disk.

Never may a run end with status 0 or 1 and another result than one that nothing disturbed, hang, or
leave a folder from which going on gives another result.

--every N takes every N-th call, and the first eight; ctest (faults/syscalls) has a short form. The
long one:

    tests/faults/syscalls.py --every 1
"""
import json

import harness

KINDS = "ENOSPC,ENOSPC+,EIO,EIO+,EINTR,short,short+,kill,killed_after,torn,EMFILE,EROFS+"


def count_calls(bench):
    """The calls of a run, and how many there are of each kind."""
    output = bench.output("counted")
    log = bench.folder / "calls"
    done = bench.run(output, env=bench.faulty(output, log=log))
    if done.returncode != bench.golden_status or bench.differences(output):
        harness.fail("the run under the shim is not as the one without", done)
    return [json.loads(line)["call"] for line in log.read_text().splitlines()]


def judge(bench, output, done, kind, what):
    """The outcome, and what is wrong with it."""
    killed = kind.startswith(("kill", "torn"))
    if done.returncode == "hung":
        return "hung", f"{what}: hung"
    if done.returncode == -9 and killed:
        return "killed, then right", bench.finish(output, what)
    if done.returncode == bench.golden_status:
        found = bench.differences(output)
        if not found:
            return "got through, right", ""
        return "wrong", f"{what}: ended with status {done.returncode}, but {found}"
    if done.returncode == harness.ENVIRONMENT:
        if str(output) not in done.stderr:
            return "wrong", f"{what}: no path is named: {done.stderr}"
        return "status 3, then right", bench.finish(output, what)
    return "wrong", f"{what}: ended with status {done.returncode}\n{done.stderr}"


def main():
    given = harness.arguments(__doc__, kinds=KINDS, every=80, first=1, records=14, only="")
    bench = harness.Bench("syscalls", records=given.records, sink=given.sink)
    calls = count_calls(bench)
    print(f"{len(calls)} calls: " + ", ".join(f"{calls.count(call)} {call}"
                                              for call in sorted(set(calls))))
    report = harness.Report()
    for kind in given.kinds.split(","):
        stays = kind.endswith("+")
        some = set(range(given.first, len(calls) + 1, given.every))
        for at in sorted(some | set(range(1, 9))):
            output = bench.output("run")
            done = bench.run(output, env=bench.faulty(output, at, kind.rstrip("+"), given.only,
                                                      stays))
            outcome, fault = judge(bench, output, done, kind, f"{kind} at call {at}")
            report.add(f"{kind}: {outcome}", fault)
            if fault and output.exists():
                output.rename(bench.output(f"fault-{kind}-{at}"))
    report.end("syscalls")


if __name__ == "__main__":
    main()
