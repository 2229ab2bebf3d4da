#!/usr/bin/env python3
"""One table, in one run, on the same sentences, voice and card: the usual way in Python with 1, 4
and 8 processes; FlowTTS, the whole of pipelines/align.yaml with its wav files, with TorchScript and
where there is one with the compiled voice, and both within 1 GiB of the card's memory; and the
limit of each, the oracle.

    bench/gpu_table.py [--records 40000] [--alpha 1] [--output /dev/shm/flowtts] [--touch 40]

The programs are built with `cmake --preset release -DFLOWTTS_BUILD_BENCH=ON`; the voice is compiled
by `flowtts voice compile`. The output, 160 MB for each hour of audio, is written and removed. --touch writes so many GiB there
first and removes them: virtual machines are often given their memory as it is first touched, at less
than the speed that is to be measured.

Columns. "audio s/s": seconds of audio made in a second of the stretch that counts, which begins when
all is loaded (FlowTTS: `media_seconds / (seconds - start_seconds)` of run.json; the usual way: when
all processes are warm; the oracle: when all lanes are warm) and ends with the last file. "with
start": the same over `seconds`, from the run's beginning, loading included. "card": the most memory
in use on the card by all programs, sampled five times a second, less what was in use before.
"allocator": the most that LibTorch had reserved. "host": the most that the processes had resident,
what they share counted once, sampled twice a second. "CPU s / 1,000 s": processor seconds for 1,000
seconds of audio; of FlowTTS with start, of the others without. "of limit": of the oracle's speed with
the same numerics.
"""
import argparse
import json
import pathlib
import shutil
import sys

import rows
from watch import Gpu

HEAD = ["", "audio s/s", "with start", "× best old way", "kernels active", "card MiB",
        "allocator MiB", "host MiB", "CPU s / 1,000 s", "of limit"]


class Table:
    def __init__(self, options):
        self.options = options
        self.gpu = Gpu(options.gpu)
        self.source = rows.conversations(options.records)
        self.folder = options.output.resolve() / "table"  # all that this program writes and removes
        self.old, self.ours, self.limits, self.notes = [], [], [], []

    def touch(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        block = b"\1" * 2**26
        with open(self.folder / "touched", "wb", 0) as file:
            for _ in range(self.options.touch * 16):
                file.write(block)
        shutil.rmtree(self.folder)

    def attempt(self, name, into, measure):
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            several = [measure() for _ in range(self.options.repeat)]
        except (rows.Failed, OSError) as failure:
            self.notes.append(f"{name}: not measured: {failure}")
            print(self.notes[-1], file=sys.stderr, flush=True)
            return
        row = rows.middle(several)
        row["name"] = name
        if len(several) > 1:
            self.notes.append(f"{name}: {rows.spread(several)} audio s/s")
        print(f"    {row['speed']:,.0f} audio s/s", file=sys.stderr, flush=True)
        into.append(row)

    def old_way(self, processes, tokens):
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            output = rows.output_of(rows.start(
                [self.options.python, rows.BENCH / "old_way.py", tokens, "--output", self.folder,
                 "--processes", processes, "--seconds", self.options.seconds, "--device",
                 self.options.device, "--gpu", self.options.gpu]))
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        said = json.loads(output)
        return {"audio": said["audio_seconds"], "speed": said["speed"], "speed_whole": None,
                "active": said["active_share"], "gpu": said["gpu_bytes"], "allocator": None,
                "host": said["host_bytes"], "cpu": said["cpu_seconds"],
                "numerics": "torchscript float32"}

    def flowtts(self, compiled, more=()):
        o = self.options
        return rows.run_flowtts(
            o.flowtts, self.source, self.folder, self.gpu,
            [f"sample.alpha={o.alpha}", f"synthesize.devices={o.device}",
             f"synthesize.lanes={o.lanes}",
             f"synthesize.batch.max_items={o.max_items}", f"synthesize.compiled={compiled}",
             f"synthesize.precision={o.precision if compiled == 'always' else 'auto'}", *o.set,
             *more])

    def oracle(self, compiled):
        o = self.options
        return rows.run_oracle(
            o.oracle, self.source, o.alpha, self.gpu,
            ["--device", o.device, "--lanes", o.lanes, "--max-items", o.max_items, "--compiled",
             compiled, "--precision", o.precision if compiled == "always" else "auto",
             "--repeat", o.passes])

    def measure(self):
        o = self.options
        o.output.mkdir(parents=True, exist_ok=True)
        if o.touch:
            self.touch()
        tokens = o.output.resolve() / "tokens.txt"
        kinds = [("TorchScript", "never")] if o.compiled != "only" else []
        if o.compiled != "never":
            kinds.append(("compiled", "always"))
        for name, compiled in kinds:
            self.attempt(f"FlowTTS, {name}", self.ours, lambda: self.flowtts(compiled))
            self.attempt(f"FlowTTS, {name}, {o.memory_limit}", self.ours, lambda: self.flowtts(
                compiled, [f"run.device_memory_limit={o.memory_limit}"]))
            self.attempt(f"limit, {name}", self.limits, lambda: self.oracle(compiled))
        rows.output_of(rows.start([o.oracle, "--input", self.source, "--alpha", o.alpha, "--limit",
                                   "60000", "--tokens", tokens, "--only-tokens", "1"]))
        for processes in o.processes:
            self.attempt(f"Python, {processes} process{'es' if processes > 1 else ''}", self.old,
                         lambda: self.old_way(processes, tokens))
        tokens.unlink()

    def line(self, row, best):
        limit = next((limit["speed"] for limit in self.limits
                      if limit["numerics"] == row["numerics"]), None)
        ours = row in self.ours
        return [row["name"], f"{row['speed']:,.0f}",
                f"{row['speed_whole']:,.0f}" if row["speed_whole"] else "",
                f"{row['speed'] / best:.1f}" if best else "", rows.percent(row["active"]),
                rows.mib(row["gpu"]), rows.mib(row["allocator"]), rows.mib(row["host"]),
                f"{row['cpu'] / row['audio'] * 1000:.2f}",
                f"{row['speed'] / limit:.3f}" if ours and limit else ""]

    def text(self):
        o = self.options
        best = max((row["speed"] for row in self.old), default=None)
        parts = [rows.conditions(self.gpu),
                 f"{o.records:,} conversations, alpha {o.alpha}; lanes: {o.lanes}, batches of "
                 f"up to {o.max_items}" + (f"; {', '.join(o.set)}" if o.set else ""),
                 rows.markdown(HEAD, [self.line(row, best)
                                      for row in self.old + self.ours + self.limits])]
        for row in self.ours:
            spent = row["recoveries"]
            parts.append(
                f"{row['name']}: {row['numerics']}, {row['items']:,} sentences, "
                f"{row['audio'] / 3600:.1f} h; started in {row['start_seconds']:.1f} s, ran "
                f"{row['flow_seconds']:.1f} s; lanes busy {row['busy']:.0%}, useful "
                f"{row['useful']:.1%}, out of memory {spent['out_of_memory']} times, "
                f"{spent['failed']} failed. Busy, in seconds summed over threads: "
                f"{rows.stages_text(row)}")
        for row in self.limits:
            parts.append(f"{row['name']}: {row['numerics']}, {row['sentences']:,} sentences, "
                         f"{o.passes} times; useful {row['useful']:.1%}")
        return "\n\n".join(parts + self.notes) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--alpha", type=float, default=1)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--max-items", type=int, default=64)
    parser.add_argument("--precision", default="auto", help="of the compiled voice")
    parser.add_argument("--compiled", choices=["too", "never", "only"], default="too")
    parser.add_argument("--memory-limit", default="1GiB")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 4, 8])
    parser.add_argument("--seconds", type=float, default=20, help="of each run of the usual way")
    parser.add_argument("--longest", type=float, default=rows.LONGEST,
                        help="seconds that one program may take")
    parser.add_argument("--passes", type=int, default=2, help="of the oracle over the sentences")
    parser.add_argument("--repeat", type=int, default=1, help="of each row; the median is shown")
    parser.add_argument("--set", action="append", default=[], help="for FlowTTS, NAME.KEY=VALUE")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--gpu", type=int, default=0, help="the device as nvidia-smi numbers it")
    parser.add_argument("--output", type=pathlib.Path, default=rows.ROOT / "out" / "bench",
                        help="where the audio goes for as long as it takes")
    parser.add_argument("--touch", type=int, default=0, help="GiB to write there first")
    parser.add_argument("--markdown", type=pathlib.Path,
                        default=rows.ROOT / "out" / "bench" / "gpu_table.md")
    parser.add_argument("--flowtts", default=str(rows.ROOT / "flowtts"))
    parser.add_argument("--oracle",
                        default=str(rows.ROOT / "build" / "release" / "bench" / "oracle"))
    parser.add_argument("--python", default=sys.executable, help="one that has torch")
    table = Table(parser.parse_args())
    rows.LONGEST = table.options.longest
    table.measure()
    text = table.text()
    print(text)
    table.options.markdown.parent.mkdir(parents=True, exist_ok=True)
    table.options.markdown.write_text(text)
    if table.notes and any("not measured" in note for note in table.notes):
        sys.exit(1)


if __name__ == "__main__":
    main()
