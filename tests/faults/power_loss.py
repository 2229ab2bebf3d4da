#!/usr/bin/env python3
"""tests/faults/power_loss.py [--states N] [--variants V] [--records R] [--sink files|shards] [--seed S]

Records what a run does to its output folder, call by call, and builds the folders that a power cut
may leave behind: at every moment, of what was not synced

  - writes may be there, or not, or only their first sectors, or as zeros of the same length;
  - names made, renamed or removed in a folder that was not synced since may be there or not: as a
    journalled file system has them, up to some moment, or each by itself.

What was synced is there. From each such folder a run goes on, and must end as one that nothing
disturbed. The same is done with a run that itself goes on with one that was killed.

A call counts as synced as POSIX says it, not as some file system does: a new file's name lasts only
once its folder was synced, and a new folder's name once the folder above it was.

--states bounds how many are tried of each of the two, spread evenly over the calls; V of them after
each call. ctest (faults/power_loss) has a short form. The long one, every call, five states each:

    tests/faults/power_loss.py --variants 5 --states 100000
"""
import hashlib
import json
import posixpath
import random

import harness

SECTOR = 512


class File:
    """A file's bytes: what is on the disk for good, and what has been done to them since."""

    def __init__(self, durable=b""):
        self.durable = bytes(durable)
        self.pending = []  # ("write", offset, bytes) or ("size", length), in order

    def sync(self):
        self.durable = apply_all(self.durable, self.pending)
        self.pending = []


def apply_all(content, changes):
    content = bytearray(content)
    for change in changes:
        if change[0] == "write":
            _, offset, data = change
            if len(content) < offset:
                content += bytes(offset - len(content))
            content[offset:offset + len(data)] = data
        else:
            length = change[1]
            content = content[:length] + bytes(max(0, length - len(content)))
    return bytes(content)


class Disk:
    """The folder as the program sees it, and as the disk has it. Names are paths; `FOLDER` stands
    for a folder."""

    FOLDER = "folder"

    def __init__(self, folder=None):
        self.now = {}      # path -> File or FOLDER
        self.durable = {}  # likewise
        self.pending = []  # (folders, [(path, File, FOLDER or None for "gone"), ...]) in order
        for path in sorted(folder.rglob("*")) if folder else []:
            name = str(path.relative_to(folder))
            self.now[name] = self.FOLDER if path.is_dir() else File(path.read_bytes())
        if folder:
            self.now["."] = self.FOLDER
        self.durable = dict(self.now)

    def change(self, *names):
        """Names that change together: (path, what it stands for, None for nothing)."""
        for path, what in names:
            if what is None:
                self.now.pop(path, None)
            else:
                self.now[path] = what
        self.pending.append((posixpath.dirname(names[-1][0]) or ".", names))

    def take(self, call, data):
        name, path, result = call["call"], call["path"], call["result"]
        if result < 0:
            return
        if name == "open":
            flags = call["flags"]
            if "c" in flags and path not in self.now:
                self.change((path, File()))
            elif "t" in flags and path in self.now:
                self.now[path].pending.append(("size", 0))
        elif name in ("write", "pwrite", "writev"):
            if path in self.now:
                piece = data[call["data"]:call["data"] + result] if result else b""
                self.now[path].pending.append(("write", call["offset"], piece))
        elif name in ("ftruncate", "truncate"):
            self.now[path].pending.append(("size", call["size"]))
        elif name == "mkdir":
            self.change((path, self.FOLDER))
        elif name in ("unlink", "rmdir"):
            self.change((path, None))
        elif name == "rename":
            self.change((path, None), (call["to"], self.now[path]))
        elif name == "link":
            self.change((call["to"], self.now[path]))
        elif name in ("fsync", "fdatasync"):
            if self.now.get(path) == self.FOLDER:
                self.sync_folder(path)
            elif path in self.now:
                self.now[path].sync()
        elif name == "syncfs":
            for what in self.now.values():
                if what != self.FOLDER:
                    what.sync()
            self.sync_folder(None)
        elif name != "close":
            harness.fail(f"the call {name} is not known here: teach it to power_loss.py")

    def sync_folder(self, path):
        left = []
        for folder, names in self.pending:
            if path in (None, folder):
                put(self.durable, names)
            else:
                left.append((folder, names))
        self.pending = left

    def after_power_loss(self, draw):
        """One of the folders that may be there afterwards: path -> bytes or FOLDER."""
        names = dict(self.durable)
        chosen = draw.choice(("none", "all", "until", "some"))
        until = draw.randint(0, len(self.pending))
        for number, (_, changes) in enumerate(self.pending):
            if (chosen == "all" or (chosen == "until" and number < until) or
                    (chosen == "some" and draw.random() < 0.5)):
                put(names, changes)
        style = draw.choice(("none", "all", "until", "some", "torn", "zeros", "each"))
        found = {}
        for path, what in names.items():
            if path != "." and not has_folders(names, path):
                continue
            found[path] = what if what == self.FOLDER else surviving(what, style, draw)
        return found


def put(names, changes):
    for path, what in changes:
        if what is None:
            names.pop(path, None)
        else:
            names[path] = what


def has_folders(names, path):
    """Whether all folders above a path are there. The output folder itself need not be."""
    folder = posixpath.dirname(path)
    return folder == "" or (folder in names and has_folders(names, folder))


def surviving(file, style, draw):
    if style == "each":
        style = draw.choice(("none", "all", "until", "some", "torn", "zeros"))
    pending = file.pending
    if style == "none" or not pending:
        return file.durable
    if style == "all":
        return apply_all(file.durable, pending)
    until = draw.randint(0, len(pending))
    if style == "some":
        return apply_all(file.durable, [one for one in pending if draw.random() < 0.5])
    content = apply_all(file.durable, pending[:until])
    if style == "until" or until == len(pending) or pending[until][0] != "write":
        return content
    _, offset, data = pending[until]
    if style == "zeros":
        return apply_all(content, [("write", offset, bytes(len(data)))])
    # Whole sectors of the file, from the first one that the write touches.
    first = SECTOR - offset % SECTOR
    kept = min(len(data), first + SECTOR * draw.randint(-1, max(0, len(data) // SECTOR)))
    return apply_all(content, [("write", offset, data[:max(0, kept)])])


def write_folder(output, state):
    for path in sorted(state):
        target = output / path
        if state[path] == Disk.FOLDER:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.write_bytes(state[path])


def record(bench, output):
    """The calls of a run into the folder as it is, and the data of its writes."""
    log = bench.folder / "calls"
    done = bench.run(output, env=bench.faulty(output, log=log))
    if done.returncode != bench.golden_status or bench.differences(output):
        harness.fail("the recorded run is not as the one without", done)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    return calls, (bench.folder / "calls.data").read_bytes()


def replay(bench, kind, begin, calls, data, given, report, seen):
    """Cuts the power after each of the calls, or as many of them as are wanted."""
    disk = Disk(begin)
    step = max(1.0, len(calls) * given.variants / given.states)
    due = 0.0
    for number, call in enumerate(calls, 1):
        disk.take(call, data)
        if number < due and number != len(calls):
            continue
        due += step
        for variant in range(given.variants):
            state = disk.after_power_loss(random.Random(f"{given.seed}/{number}/{variant}"))
            digest = hashlib.sha256(repr(sorted(state.items())).encode()).digest()
            if digest in seen:
                report.add(f"{kind}: as one before")
                continue
            seen.add(digest)
            output = bench.output("run")
            write_folder(output, state)
            fault = bench.finish(output, f"{kind} run, power lost after call {number} "
                                         f"({call['call']} {call['path']}), variant {variant}")
            report.add(f"{kind}: " + ("wrong" if fault else "right after going on"), fault)
            if fault:
                left = bench.output(f"fault-{kind}-{number}-{variant}")
                write_folder(left, state)


def main():
    given = harness.arguments(__doc__, states=40, variants=2, records=24, seed=1)
    bench = harness.Bench("power_loss", records=given.records, sink=given.sink, commit_every=0.005)
    report = harness.Report()
    seen = set()
    output = bench.output("recorded")
    calls, data = record(bench, output)
    replay(bench, "fresh", None, calls, data, given, report, seen)

    # The same for a run that goes on: killed when about half was done, if the moment was right.
    output = bench.output("recorded")
    process = bench.start(output, env=bench.faulty(output, at=len(calls) // 2, kind="kill"))
    process.communicate()
    begin = bench.folder / "begin"
    harness.shutil.copytree(output, begin)
    calls, data = record(bench, output)
    replay(bench, "resumed", begin, calls, data, given, report, seen)
    report.end("power_loss")


if __name__ == "__main__":
    main()
