"""What the tables of gpu_table.py and cpu_table.py are made of: input, one run of the command, one
of the oracle, and Markdown."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from watch import Watch

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent


class Failed(Exception):
    """A measured program that ended otherwise than well; its last words."""


def conversations(records):
    """A file of so many generated conversations; made once."""
    path = ROOT / "out" / "bench" / f"conversations-{records}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        subprocess.run([sys.executable, BENCH / "make_conversations.py", "--records", str(records),
                        part], check=True)
        part.rename(path)
    return path


def start(command):
    return subprocess.Popen([str(word) for word in command], cwd=ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True,
                            env={"OMP_WAIT_POLICY": "passive", **os.environ})


LONGEST = 600  # seconds that a measured program may take


def output_of(process):
    """What it printed, once it has ended well."""
    try:
        output, complaints = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed(f"{pathlib.Path(process.args[0]).name} took more than {LONGEST} s") from None
    if process.returncode != 0:
        last = (complaints.strip().splitlines() or ["no word on stderr"])[-1]
        name = pathlib.Path(process.args[0]).name
        raise Failed(f"{name} ended with status {process.returncode}: {last}")
    return output


def watched(command, gpu):
    """Runs a program to its end: its output, CPU seconds, and the Watch that looked on."""
    before = os.times()
    process = start(command)
    with Watch(process.pid, gpu) as watch:
        output = output_of(process)
    after = os.times()
    cpu = (after.children_user + after.children_system - before.children_user -
           before.children_system)
    return output, cpu, watch


def sets(changes):
    return [word for change in changes for word in ("--set", change)]


def run_flowtts(flowtts, source, folder, gpu, changes):
    """pipelines/align.yaml with changes; `folder` is made and removed. As a row."""
    shutil.rmtree(folder, ignore_errors=True)
    before = gpu.memory_used()
    try:
        _, cpu, watch = watched([flowtts, "run", "pipelines/align.yaml", "--quiet"] +
                                sets([f"vars.input={source}", f"vars.output={folder}", *changes]),
                                gpu)
        report = json.loads((folder / "run.json").read_text())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    devices = next(stage["devices"] for stage in report["stages"] if "devices" in stage)
    audio, flow = report["media_seconds"], report["seconds"] - report["start_seconds"]
    return {"audio": audio, "speed": audio / flow, "speed_whole": audio / report["seconds"],
            "start_seconds": report["start_seconds"], "flow_seconds": flow,
            "active": devices[0].get("active_share"), "gpu": difference(watch.card_peak(), before),
            "allocator": devices[0]["memory"]["peak_bytes"], "host": watch.host_peak, "cpu": cpu,
            "numerics": devices[0].get("numerics", ""), "items": report["items"]["written"],
            "useful": devices[0]["useful_share"], "busy": devices[0]["busy_share"],
            "recoveries": devices[0]["recoveries"], "stages": report["stages"]}


def run_oracle(oracle, source, alpha, gpu, arguments):
    """As a row."""
    before = gpu.memory_used()
    output, _, watch = watched([oracle, "--input", source, "--alpha", str(alpha), *arguments], gpu)
    said = json.loads(output)
    return {"audio": said["audio_seconds"], "speed": said["speed"], "speed_whole": None,
            "active": said.get("active_share"), "gpu": difference(watch.card_peak(), before),
            "allocator": said["peak_device_bytes"], "host": watch.host_peak,
            "cpu": said["cpu_seconds"], "numerics": said["numerics"],
            "useful": said["useful_share"], "sentences": said["sentences"]}


def difference(after, before):
    return None if after is None or before is None else after - before


def middle(rows):
    """Of several measurements of the same, the one of median speed."""
    rows = sorted(rows, key=lambda row: row["speed"])
    return rows[(len(rows) - 1) // 2]


def spread(rows):
    speeds = [row["speed"] for row in rows]
    return f"{min(speeds):,.0f} to {max(speeds):,.0f}, median {statistics.median(speeds):,.0f}"


def mib(count):
    return "" if count is None else f"{count / 2**20:,.0f}"


def percent(share):
    return "" if share is None or share < 0 else f"{share:.0%}"


def markdown(head, lines):
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


def stages_text(row):
    """Which stage was busy for how long, summed over threads."""
    return ", ".join(f"{stage['id']} {stage['busy_seconds']:.1f}" for stage in row["stages"])


def conditions(gpu):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                     "unknown processor")
    load = os.getloadavg()[0]
    return (f"{gpu.text()}; {len(os.sched_getaffinity(0))} cores of {model}; load before: {load:.1f}; "
            f"{time.strftime('%Y-%m-%d')}")
