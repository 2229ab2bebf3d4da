"""workers/flowtts_worker.py by itself: this side of the socket plays FlowTTS."""

import array
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import wave

SDK = os.path.join(os.environ["SOURCE_DIR"], "workers")
sys.path.insert(0, SDK)
sys.dont_write_bytecode = True

import flowtts_worker  # noqa: E402

VOICE = {"name": "v", "folder": "/", "model": "", "sample_rate": 16000, "speakers": ["a"],
         "languages": []}


class Process:
    """A worker process and the engine's end of its socket."""

    def __init__(self, body, **load):
        self.ours, theirs = socket.socketpair()
        source = "import flowtts_worker\n" + body
        self.child = subprocess.Popen(
            [sys.executable, "-c", source], pass_fds=[theirs.fileno()], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONPATH": SDK, "FLOWTTS_WORKER_FD": str(theirs.fileno())})
        theirs.close()
        self.send({"type": "load", "protocol": 1, "device": "cpu", "heartbeat_s": 60,
                   "voice": VOICE, "options": {}, **load})

    def send(self, head):
        text = json.dumps(head).encode()
        self.ours.sendall(struct.pack("<4sIQ", b"FTW1", len(text), 0) + text)

    def receive(self):
        def exactly(count):
            data = b""
            while len(data) < count:
                more = self.ours.recv(count - len(data))
                if not more:
                    raise EOFError(self.child.communicate()[0])
                data += more
            return data
        magic, head, body = struct.unpack("<4sIQ", exactly(16))
        assert magic == b"FTW1", magic
        return json.loads(exactly(head)), exactly(body)

    def start(self):
        hello, _ = self.receive()
        while True:
            ready, _ = self.receive()
            if ready["type"] != "alive":
                return hello, ready

    def ask(self, *texts, **more):
        """Answers by text: their heads, with the body under "body"."""
        self.send({"type": "synthesize", "items": [
            {"id": place + 1, "text": text, "speaker": "a", "speed": 1.0, "seed": len(text), **more}
            for place, text in enumerate(texts)]})
        answers = {}
        for _ in texts:
            head, body = self.receive()
            answers[texts[head["id"] - 1]] = {**head, "body": body}
        return answers

    def close(self):
        self.ours.close()
        output = self.child.communicate()[0]
        return self.child.returncode, output

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ours.close()
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()


def worker(synthesize, load="pass", more=""):
    return ("class V(flowtts_worker.Worker):\n"
            "    %s\n"
            "    def load(self, device):\n        %s\n"
            "    def synthesize(self, items):\n        %s\n"
            "flowtts_worker.run(V)\n") % (more or "pass", load, synthesize)


class Encoding(unittest.TestCase):
    def test_everything_that_counts_as_audio(self):
        floats = array.array("f", [0.5, -1.0]).tobytes()
        for audio in ([0.5, -1], (0.5, -1.0), array.array("d", [0.5, -1]), floats,
                      bytearray(floats), memoryview(floats)):
            self.assertEqual(flowtts_worker.encode_audio(audio), ("f32", floats), audio)
        pcm = array.array("h", [1, -2])
        self.assertEqual(flowtts_worker.encode_audio(pcm), ("s16", pcm.tobytes()))
        self.assertEqual(flowtts_worker.encode_audio(None), ("f32", b""))

    def test_what_does_not_says_so(self):
        for audio, error in (("text", TypeError), (object(), TypeError), (b"123", ValueError),
                             ([1, "x"], TypeError)):
            with self.assertRaises(error):
                flowtts_worker.encode_audio(audio)

    def test_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("there is no numpy here")
        floats = array.array("f", [0.5, -1.0]).tobytes()
        for audio in (numpy.array([0.5, -1.0]), numpy.array([[0.5, -1.0]], numpy.float16)):
            self.assertEqual(flowtts_worker.encode_audio(audio), ("f32", floats))
        self.assertEqual(flowtts_worker.encode_audio(numpy.array([[7]], numpy.int16)),
                         ("s16", b"\x07\x00"))
        for audio in (numpy.zeros((2, 5)), numpy.array([1, 2])):
            with self.assertRaises((TypeError, ValueError)):
                flowtts_worker.encode_audio(audio)


class Protocol(unittest.TestCase):
    def test_hello_ready_audio_and_an_orderly_end(self):
        with Process(worker("return [[0.25] * len(item.text) for item in items]",
                            "self.sample_rate = 8000; self.numerics = self.options['n']",
                            "max_batch = 4"), options={"n": "float16"}) as process:
            hello, ready = process.start()
            self.assertEqual(hello["protocol"], 1)
            self.assertEqual(ready, {"type": "ready", "sample_rate": 8000, "speakers": [],
                                     "max_batch": 4, "batch_invariant": False, "device": "cpu",
                                     "numerics": "float16"})
            answers = process.ask("one", "three")
            self.assertEqual(answers["three"]["samples"], 5)
            self.assertEqual(answers["one"]["body"], array.array("f", [0.25] * 3).tobytes())
            status, _ = process.close()
            self.assertEqual(status, 0)

    def test_a_failed_load_is_told(self):
        with Process(worker("pass", "raise OSError('no weights')")) as process:
            process.receive()
            failed, _ = process.receive()
            self.assertEqual(failed, {"type": "failed", "message": "OSError: no weights"})

    def test_a_load_says_in_its_own_words_what_is_to_be_put_right(self):
        with Process(worker("pass", "raise flowtts_worker.CannotLoad('v.yaml:3:1: no such name')")) as process:
            process.receive()
            failed, _ = process.receive()
            self.assertEqual(failed, {"type": "failed", "message": "v.yaml:3:1: no such name"})
            _, printed = process.close()
            self.assertEqual(printed, "")

    def test_printing_harms_nothing(self):
        with Process(worker("print('x' * 100000, flush=True); return [[1.0]] * len(items)",
                            "print('loading')")) as process:
            process.start()
            # The pipe has to be read, as FlowTTS does.
            import threading
            lines = []
            threading.Thread(target=lambda: lines.extend(process.child.stdout), daemon=True).start()
            self.assertEqual(process.ask("a")["a"]["type"], "audio")

    def test_any_order_and_pairs(self):
        for body in ("return {item.id: [len(item.text)] for item in reversed(items)}",
                     "yield from ((item, [len(item.text)]) for item in reversed(items))",
                     "yield from ([len(item.text)] for item in items)"):
            with Process(worker(body, more="max_batch = 8")) as process:
                process.start()
                answers = process.ask("a", "bb", "ccc")
                for text, answer in answers.items():
                    self.assertEqual(answer["body"], array.array("f", [len(text)]).tobytes())

    def test_each_of_a_batch_fails_for_itself(self):
        body = ("""
        for item in items:
            if item.text == "bad": raise ValueError("this one")
            if item.text == "mute": raise flowtts_worker.Unspeakable()
            yield "text" if item.text == "odd" else [1.0]""")
        with Process(worker(body, more="max_batch = 8")) as process:
            process.start()
            answers = process.ask("a", "bad", "mute", "odd", "b")
            self.assertEqual({text: answer["type"] for text, answer in answers.items()},
                             {"a": "audio", "bad": "error", "mute": "filtered", "odd": "error",
                              "b": "audio"})
            self.assertEqual(answers["bad"]["message"], "ValueError: this one")
            self.assertEqual(answers["bad"]["code"], "worker_error")

    def test_parts_of_one_item_are_not_taken_for_the_whole(self):
        for body in ("yield [1.0]; yield [2.0]", "return [[1.0], [2.0]]", "return []",
                     "return {7: [1.0]}"):
            with Process(worker(body)) as process:
                process.start()
                answer = process.ask("a")["a"]
                self.assertEqual((answer["type"], answer["code"]), ("error", "worker_error"))
                self.assertIn("audios for 1 items", answer["message"])

    def test_seeds_are_the_sentences_own(self):
        bodies = ("import random; yield from ([random.random()] for item in items)",
                  "import random; random.seed(1986); return [[0.0] for item in items]")
        with Process(worker(bodies[0], "import random; random.seed(1986)", "max_batch = 8")) as one:
            one.start()
            together = one.ask("a", "bb", "ccc")
            alone = one.ask("bb")
            self.assertEqual(together["bb"]["body"], alone["bb"]["body"])
            random.seed(2)
            self.assertEqual(alone["bb"]["body"], array.array("f", [random.random()]).tobytes())

    def test_memory_that_runs_out_is_an_error_and_a_broken_device_the_end(self):
        body = ("""
        for item in items:
            if item.text == "large": raise MemoryError("no more")
            if item.text == "cuda": raise RuntimeError("CUDA error: device-side assert triggered")
            yield [1.0]""")
        with Process(worker(body, more="max_batch = 8")) as process:
            process.start()
            answers = process.ask("a", "large")
            self.assertEqual(answers["a"]["type"], "audio")
            self.assertEqual(answers["large"]["code"], "worker_out_of_memory")
            with self.assertRaises(EOFError):
                process.ask("cuda")
            self.assertEqual(process.child.returncode, 75)

    def test_it_shows_signs_of_life_while_the_model_works(self):
        with Process(worker("import time; time.sleep(3600)"), heartbeat_s=0.01) as process:
            process.start()
            process.send({"type": "synthesize", "items": [{"id": 1, "text": "a"}]})
            for _ in range(3):
                self.assertEqual(process.receive()[0], {"type": "alive"})
            process.ours.close()  # FlowTTS is gone
            self.assertNotEqual(process.child.wait(), 0)


class Imports(unittest.TestCase):
    def test_a_package_comes_before_the_ready_worker_of_its_name(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "onnx.py"), "w") as file:
                file.write("which = 'the package'")
            found = subprocess.run(
                [sys.executable, "-c", "import flowtts_worker, onnx; print(onnx.which)"],
                env={**os.environ, "PYTHONPATH": SDK + os.pathsep + folder},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(found.stdout, "the package\n")


class ByHand(unittest.TestCase):
    def test_a_voice_is_heard_without_flowtts(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.wav")
            source = ("import flowtts_worker\n" +
                      worker("return [[0.5] * 800]", more="sample_rate = 8000"))
            subprocess.run([sys.executable, "-c", source, "Hello.", path], check=True,
                           env={**os.environ, "PYTHONPATH": SDK}, stdout=subprocess.DEVNULL)
            with wave.open(path) as file:
                self.assertEqual((file.getframerate(), file.getnframes()), (8000, 800))
                self.assertEqual(file.readframes(1), struct.pack("<h", 16384))


if __name__ == "__main__":
    unittest.main()
