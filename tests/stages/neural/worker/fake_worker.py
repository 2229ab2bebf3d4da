"""A worker that misbehaves as its sentences or its options say; for the tests alone.

A sentence is answered with samples that tell what the worker was given: the lengths of text and
speaker, the speed, the low 16 bits of the seed, and one sample of random.random(), which the SDK has
seeded. Words in a sentence do more:

    die         ends the process, as often as it is asked
    once:NAME   ends it the first time, and leaves the file NAME in the state folder
    hang        waits for ever, alive
    freeze      waits for ever, and its heartbeat stops
    raise       raises
    lie         says more samples than it sends
    nan         sends what is no number
    silence     sends no samples
    garbage     writes bytes that are no frame
    twice       answers an item twice
    short       gives fewer audios than it was asked for
    nothing     is unspeakable
    print       prints a lot, binary among it
    fork        leaves a process behind that would live for an hour
"""

import array
import os
import random
import signal
import subprocess
import sys
import time

import flowtts_worker


class Fake(flowtts_worker.Worker):
    batch_invariant = True

    def load(self, device):
        options = self.options
        self.sample_rate = options.get("sample_rate")
        self.speakers = options.get("speakers", ())
        self.max_batch = options.get("max_batch", 1)
        self.numerics = options.get("numerics", "")
        self.state = options.get("state", ".")
        print("loading on %s, CUDA_VISIBLE_DEVICES=%r" % (device, os.environ["CUDA_VISIBLE_DEVICES"]))
        begin = options.get("load", "")
        if begin == "exit":
            print("there is no such model")
            sys.stdout.flush()
            os._exit(3)
        if begin == "raise":
            raise RuntimeError("the weights are torn")
        if begin == "hang":
            time.sleep(3600)
        with open(os.path.join(self.state, "starts"), "a") as file:
            file.write("%d\n" % os.getpid())
        self.leak = []

    def synthesize(self, items):
        if any("short" in item.text for item in items):
            return []
        if self.options.get("backwards"):
            return {item.id: self.one(item) for item in reversed(items)}
        return (self.one(item) for item in items)  # one after the other, each with its seed

    def one(self, item):
        words = item.text.split()
        for word in words:
            if word.startswith("once:"):
                path = os.path.join(self.state, word[5:])
                if not os.path.exists(path):
                    open(path, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
        if "die" in words:
            os._exit(9)
        if "hang" in words:
            time.sleep(3600)
        if "freeze" in words:
            os.kill(os.getpid(), signal.SIGSTOP)
        if "raise" in words:
            raise ValueError("cannot say %r" % item.text)
        if "nothing" in words:
            raise flowtts_worker.Unspeakable()
        if "garbage" in words:
            session.channel._socket.sendall(b"<html>" * 100)
        if "twice" in words:
            session.channel.send({"type": "audio", "id": item.id, "samples": 1, "format": "s16"},
                                 b"\0\0")
        if "lie" in words:
            session.channel.send({"type": "audio", "id": item.id, "samples": 100, "format": "f32"},
                                 bytes(4 * 96))
            return None
        if "print" in words:
            for line in range(50):
                print("line %d of a talkative model" % line)
            os.write(1, b"\xff\x00FTW1" * 10 + b"\n")
        if "fork" in words:
            child = subprocess.Popen(["sleep", "3600"])
            with open(os.path.join(self.state, "child"), "w") as file:
                file.write(str(child.pid))
        if "silence" in words:
            return b""
        if "nan" in words:
            return [0.0, float("nan")]
        if "pcm" in words:
            return array.array("h", [16384, -32768])
        time.sleep(self.options.get("sleep", 0))
        return [len(item.text) / 1024, len(item.speaker) / 1024, item.speed,
                (item.seed & 0xFFFF) / 65536, random.random()]


class Session:
    channel = None


session = Session()
_serve = flowtts_worker._serve


def serve(worker, channel):
    session.channel = channel
    return _serve(worker, channel)


flowtts_worker._serve = serve
if "--protocol-2" in sys.argv:
    flowtts_worker.PROTOCOL = 2
if "--exit-at-hello" in sys.argv:
    sys.exit("no module named torch")
flowtts_worker.run(Fake)
