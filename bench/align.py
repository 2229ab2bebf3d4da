#!/usr/bin/env python3
"""Runs pipelines/align.yaml on generated conversations, once for each setting, and prints what
run.json says of each run: audio seconds per second, the lanes' busy share, useful share of the
batches, peak device memory, and which stages were busy for how long.

    bench/align.py [--records 2000] [--flowtts ./flowtts] [SETTING ...]

A SETTING is a list of --set arguments with ; between them; without any, lanes are varied:

    bench/align.py "synthesize.devices=cpu; synthesize.lanes=1" "synthesize.lanes=2; run.threads=1"
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
DEFAULT = ["synthesize.lanes=1", "synthesize.lanes=2"]


def run(flowtts, source, output, setting):
    shutil.rmtree(output, ignore_errors=True)  # made by an earlier call of this script
    command = [flowtts, "pipelines/align.yaml", "--quiet", "--set", f"vars.input={source}",
               "--set", f"vars.output={output}"]
    for change in setting.split(";"):
        command += ["--set", change.strip()]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return json.loads((output / "run.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "out" / "bench" / "align",
                        help="a folder that each run makes anew")
    parser.add_argument("--flowtts", default=str(ROOT / "flowtts"))
    parser.add_argument("settings", nargs="*", default=DEFAULT)
    arguments = parser.parse_args()

    source = ROOT / "out" / "bench" / f"align-{arguments.records}.json"
    if not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, BENCH / "make_conversations.py", "--records",
                        str(arguments.records), source], check=True)
    print(f"{'setting':58}{'sentences':>10}{'audio s/s':>11}{'device':>9}{'lanes':>7}{'busy':>7}"
          f"{'useful':>8}{'peak MiB':>10}")
    for setting in arguments.settings:
        report = run(arguments.flowtts, source, arguments.output, setting)
        speed = report["media_seconds"] / report["seconds"]
        for stage in report["stages"]:
            for device in stage.get("devices", []):
                print(f"{setting:58}{device['items']:10,}{speed:11,.0f}{device['device']:>9}"
                      f"{device['lanes']:7}{device['busy_share']:7.0%}{device['useful_share']:8.0%}"
                      f"{device['memory']['peak_bytes'] / 2**20:10,.0f}", flush=True)
        print("    " + ", ".join(f"{stage['id']} {stage['busy_seconds']:.1f} s"
                                 for stage in report["stages"]) +
              f"; in all {report['seconds']:.1f} s", flush=True)


if __name__ == "__main__":
    main()
