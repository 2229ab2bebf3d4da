#!/usr/bin/env python3
"""The whole of pipelines/align.yaml on a CPU against the bare model on the same sentences with as
many lanes, one after the other and again, since other programs may be at work beside them.

    bench/cpu_table.py [--records 120] [--lanes 1 2] [--repeat 5]

"audio s/s": FlowTTS without its start (gpu_table.py says how), resampling, writing and all; the
bare model without even resampling. "ratio": median of the ratios of each pair that ran next to one
another. "CPU s / 1,000 s": processor seconds for 1,000 seconds of audio, of FlowTTS less those of a
run of one conversation, which are its start; their ratio tells what the rest of the pipeline costs
whatever else the machine does.
"""
import argparse
import pathlib
import statistics
import sys

import rows
from watch import Gpu

HEAD = ["lanes", "FlowTTS audio s/s", "bare model audio s/s", "ratio", "of pairs",
        "CPU s / 1,000 s", "bare", "ratio by CPU", "FlowTTS host MiB"]


def whole_pipeline(options, source, lanes):
    return rows.run_flowtts(options.flowtts, source, options.output.resolve() / "cpu-table", Gpu(),
                            [f"sample.alpha={options.alpha}", "synthesize.devices=cpu",
                             f"synthesize.lanes={lanes}",
                             f"synthesize.compiled={options.compiled}", *options.set])


def pair(options, source, lanes):
    bare = rows.run_oracle(options.oracle, source, options.alpha, Gpu(),
                           ["--device", "cpu", "--lanes", lanes, "--compiled", options.compiled])
    whole = whole_pipeline(options, source, lanes)
    if abs(whole["audio"] / bare["audio"] - 1) > 0.001:
        raise rows.Failed(f"not the same work: {whole['audio']} and {bare['audio']} s of audio")
    return whole, bare


def middle(pairs, value):
    return statistics.median(value(whole, bare) for whole, bare in pairs)


def cost(row, start=None):
    """Processor seconds for 1,000 seconds of audio, less the start's."""
    start = start or {"cpu": 0, "audio": 0}
    return (row["cpu"] - start["cpu"]) / (row["audio"] - start["audio"]) * 1000


def line(lanes, pairs, start):
    ratios = [whole["speed"] / bare["speed"] for whole, bare in pairs]
    return [str(lanes), f"{middle(pairs, lambda whole, _: whole['speed']):.1f}",
            f"{middle(pairs, lambda _, bare: bare['speed']):.1f}",
            f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f} to {max(ratios):.3f}",
            f"{middle(pairs, lambda whole, _: cost(whole, start)):.2f}",
            f"{middle(pairs, lambda _, bare: cost(bare)):.2f}",
            f"{middle(pairs, lambda whole, bare: cost(bare) / cost(whole, start)):.3f}",
            rows.mib(max(whole["host"] for whole, _ in pairs))]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=120)
    parser.add_argument("--alpha", type=float, default=1)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--compiled", choices=["auto", "never", "always"], default="never")
    parser.add_argument("--set", action="append", default=[], help="for FlowTTS, NAME.KEY=VALUE")
    parser.add_argument("--output", type=pathlib.Path, default=rows.ROOT / "out" / "bench")
    parser.add_argument("--markdown", type=pathlib.Path,
                        default=rows.ROOT / "out" / "bench" / "cpu_table.md")
    parser.add_argument("--flowtts", default=str(rows.ROOT / "flowtts"))
    parser.add_argument("--oracle",
                        default=str(rows.ROOT / "build" / "release" / "bench" / "oracle"))
    options = parser.parse_args()
    source = rows.conversations(options.records)
    options.output.mkdir(parents=True, exist_ok=True)
    lines, about = [], [rows.conditions(Gpu())]
    try:
        for lanes in options.lanes:
            start = whole_pipeline(options, rows.conversations(1), lanes)
            pairs = []
            for i in range(options.repeat):
                pairs.append(pair(options, source, lanes))
                whole, bare = pairs[-1]
                print(f"lanes: {lanes}, pair {i + 1}: {whole['speed']:.1f} and {bare['speed']:.1f} "
                      "audio s/s", file=sys.stderr, flush=True)
            lines.append(line(lanes, pairs, start))
            whole = rows.middle([whole for whole, _ in pairs])
            about.append(f"lanes: {lanes}: {whole['numerics']}, {whole['items']:,} sentences, "
                         f"{whole['audio']:,.0f} s of audio, {options.repeat} pairs. Busy, in "
                         f"seconds summed over threads: {rows.stages_text(whole)}")
    except rows.Failed as failure:
        sys.exit(str(failure))
    text = "\n\n".join([about[0], rows.markdown(HEAD, lines), *about[1:]]) + "\n"
    print(text)
    options.markdown.parent.mkdir(parents=True, exist_ok=True)
    options.markdown.write_text(text)


if __name__ == "__main__":
    main()
