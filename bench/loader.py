#!/usr/bin/env python3
"""Reads, samples, cleans and splits a large file of conversations with FlowTTS, and does as much
of it as is customary in Python (json.load, random.sample, a split by words) on the same file right
after. Prints time, rate and peak memory of both, and their ratios.

    bench/loader.py [--records 1000000] [--flowtts ./flowtts]

The file (1.56 GB for a million records) is made under out/bench/ at the first call and kept.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent


def measure(command):
    """Runs a command; returns its seconds and its peak resident memory in MiB."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with status {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--flowtts", default=str(ROOT / "flowtts"))
    arguments = parser.parse_args()

    file = ROOT / "out" / "bench" / f"conversations-{arguments.records}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        subprocess.run([sys.executable, BENCH / "make_conversations.py", "--records",
                        str(arguments.records), part], check=True)
        part.rename(file)
    subprocess.run([arguments.flowtts, "version"], check=True, stdout=subprocess.DEVNULL)  # built
    with open(file, "rb") as data:  # both read from the page cache, as far as it holds the file
        while data.read(1 << 24):
            pass

    size = file.stat().st_size
    rows = [("FlowTTS", [arguments.flowtts, BENCH / "count.yaml", "--quiet", "--set",
                         f"vars.input={file}"]),
            ("Python", [sys.executable, BENCH / "python_baseline.py", file])]
    print(f"{arguments.records:,} records, {size / 1e6:,.0f} MB")
    print(f"{'':10}{'seconds':>10}{'records/s':>12}{'MB/s':>8}{'peak MiB':>10}")
    results = []
    for name, command in rows:
        seconds, memory = measure(command)
        results.append((seconds, memory))
        print(f"{name:10}{seconds:10.1f}{arguments.records / seconds:12,.0f}"
              f"{size / 1e6 / seconds:8.0f}{memory:10.1f}", flush=True)
    (ours, our_memory), (peer, peer_memory) = results
    print(f"FlowTTS is {peer / ours:.1f} times as fast in 1/{peer_memory / our_memory:.0f} of the memory")


if __name__ == "__main__":
    main()
