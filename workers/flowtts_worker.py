"""A voice for FlowTTS in Python: write a class, call run().

    import flowtts_worker

    class MyVoice(flowtts_worker.Worker):
        sample_rate = 24000

        def load(self, device):                  # "cuda:0" or "cpu"; called once
            self.model = my_model.load(self.options["model"]).to(device)

        def synthesize(self, items):             # one audio for each item, in order
            for item in items:
                yield self.model.say(item.text, speaker=item.speaker, speed=item.speed)

    flowtts_worker.run(MyVoice)

FlowTTS starts the file once for each lane and talks to it over a socket of its own, so whatever the
model prints goes into the run's log and harms nothing. Audio is a numpy array, a torch tensor, an
array.array ("f" or "h"), a list of numbers, or bytes of float32; 16-bit integers are taken as such.
An exception is that item's error, and the run goes on; Unspeakable leaves the item out.

To hear a voice without FlowTTS:  python3 my_voice.py "Hello there." out.wav

Needs Python 3.8 and nothing else. The protocol: docs/workers.md.
"""

import array
import gc
import json
import os
import random
import socket
import struct
import sys
import threading
import traceback

__all__ = ["Worker", "Item", "Unspeakable", "CannotLoad", "run", "seed_everything", "PROTOCOL"]
__version__ = "1.0"

PROTOCOL = 1
MAGIC = b"FTW1"
_PREFIX = struct.Struct("<4sIQ")  # magic, bytes of the head, bytes of the body
_LONGEST_HEAD = 1 << 24

# The ready workers beside this file are called as the packages that they use, onnx or piper: these are
# to be found first, by whatever is imported after this.
_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.sort(key=lambda folder: os.path.abspath(folder) == _HERE)

_END = object()
_EXIT_BROKEN_DEVICE = 75  # the device answers nothing any more; a new process may


class Unspeakable(Exception):
    """Raised by synthesize() for text that has no sound: the item is left out, not failed."""


class CannotLoad(Exception):
    """Raised by load() for what the user can put right: told in its own words, without a traceback."""


class Item:
    """One sentence to be spoken."""

    __slots__ = ("id", "text", "tokens", "speaker", "speed", "seed")

    def __init__(self, id, text, speaker="", speed=1.0, seed=0, tokens=()):
        self.id = id            # a number that no other item of this process has
        self.text = text        # what is to be said
        self.speaker = speaker  # one of the voice file's names
        self.speed = speed      # 1 is the voice's own pace, 2 twice as fast
        self.seed = seed        # 64 bits; the random generators have been set from it
        self.tokens = tokens    # of the voice's front end; empty where that is "text"

    def __repr__(self):
        return "Item(%r, %r, speaker=%r)" % (self.id, self.text, self.speaker)


class Worker:
    """What a voice is derived from. The attributes may be set in the class or in load()."""

    sample_rate = None       # of what synthesize() gives; None: what the voice file says
    speakers = ()            # that the model knows; empty: any
    max_batch = 1            # the most items that synthesize() is given at once
    batch_invariant = False  # whether an item's samples are the same whatever its company
    numerics = ""            # what decides the samples: "float16"; ends in the run's report
    device_used = None       # where the model really is: "cuda:0" or "cpu"; None: found out

    options = {}             # the voice file's `options`
    voice = {}               # name, folder (of the voice file), model, sample_rate, speakers, languages
    memory_bytes = 0         # of the device's memory that this process may take; 0: any

    def load(self, device):
        """Makes the model ready on the device. The working directory is the voice file's folder."""

    def synthesize(self, items):
        """Gives one audio for each item: a list or an iterator in the order of the items, pairs of
        (item, audio) in any order, or a dict from item ids. One channel, full scale is 1.0."""
        raise NotImplementedError

    def close(self):
        """Called at an orderly end."""


def seed_everything(seed):
    """Sets the generators of random, numpy and torch, as far as these are loaded."""
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        numpy.random.seed(seed % (1 << 32))
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed % (1 << 63))  # the GPU's generators as well


# --- audio ------------------------------------------------------------------------------------------


def encode_audio(audio):
    """(format, bytes) of whatever synthesize() gave: "f32" or "s16", little endian."""
    if audio is None:
        return "f32", b""
    if isinstance(audio, (bytes, bytearray, memoryview)):
        return "f32", _whole(bytes(audio), 4)
    if hasattr(audio, "detach"):  # a torch tensor
        audio = audio.detach().cpu()
        if audio.dtype.is_floating_point:
            audio = audio.float()
        _one_channel(audio.shape)
        try:
            audio = audio.reshape(-1).numpy()
        except RuntimeError:  # torch without numpy
            audio = array.array("f", audio.reshape(-1).tolist())
    if hasattr(audio, "dtype") and hasattr(audio, "astype"):  # a numpy array
        _one_channel(audio.shape)
        if audio.dtype.kind == "f":
            return "f32", audio.astype("<f4").tobytes()
        if audio.dtype.kind == "i" and audio.dtype.itemsize == 2:
            return "s16", audio.astype("<i2").tobytes()
        raise TypeError("audio of %s: float or int16 is expected" % audio.dtype)
    if isinstance(audio, array.array) and audio.typecode in "fh":
        return ("f32" if audio.typecode == "f" else "s16"), _little_endian(audio).tobytes()
    try:
        return "f32", _little_endian(array.array("f", audio)).tobytes()
    except TypeError:
        raise TypeError("synthesize() gave %s; audio is a numpy array, a torch tensor, an "
                        "array.array, a list of numbers or bytes of float32"
                        % type(audio).__name__) from None


def _one_channel(shape):
    if sum(1 for size in shape if size != 1) > 1:
        raise ValueError("audio of the shape %s: one channel is expected" % (tuple(shape),))


def _whole(data, size):
    if len(data) % size:
        raise ValueError("%d bytes are no whole number of float32 samples" % len(data))
    return data


def _little_endian(samples):
    if sys.byteorder != "little":
        samples = samples[:]
        samples.byteswap()
    return samples


# --- the socket -------------------------------------------------------------------------------------


class _Channel:
    """Frames over the socket that FlowTTS has passed on. Sending is for any thread."""

    def __init__(self, descriptor):
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        os.set_inheritable(self._socket.fileno(), False)  # not for the model's own processes
        self._sending = threading.Lock()

    def send(self, head, body=b""):
        text = json.dumps(head).encode()
        with self._sending:
            self._socket.sendall(_PREFIX.pack(MAGIC, len(text), len(body)) + text)
            if body:
                self._socket.sendall(body)

    def receive(self):
        """The next frame's head, or None where FlowTTS has closed the connection."""
        prefix = self._exactly(_PREFIX.size)
        if prefix is None:
            return None
        magic, head_bytes, body_bytes = _PREFIX.unpack(prefix)
        if magic != MAGIC or head_bytes > _LONGEST_HEAD:
            raise ValueError("this is no frame of FlowTTS: %r" % prefix)
        head = self._exactly(head_bytes)
        if head is None or (body_bytes and self._exactly(body_bytes) is None):
            return None
        return json.loads(head.decode())

    def _exactly(self, count):
        data = bytearray(count)
        view, done = memoryview(data), 0
        while done < count:
            read = self._socket.recv_into(view[done:])
            if read == 0:
                return None
            done += read
        return data


class _Heartbeat(threading.Thread):
    """Says that the process is alive, also while the model works; ends it once nobody listens."""

    def __init__(self, channel, every_s):
        super().__init__(name="flowtts-heartbeat", daemon=True)
        self._channel = channel
        self._every_s = every_s
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(self._every_s):
            try:
                self._channel.send({"type": "alive"})
            except OSError:
                if not self.stopped.is_set():
                    os._exit(1)


# --- the work ---------------------------------------------------------------------------------------


def _kind_of(error):
    """"out_of_memory", "broken_device" or "error"."""
    name = type(error).__name__
    if name == "OutOfMemoryError" or isinstance(error, MemoryError):
        return "out_of_memory"
    if name == "AcceleratorError" or "CUDA error" in str(error):
        return "broken_device"
    return "error"


def _free_memory():
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _words(error):
    return ("%s: %s" % (type(error).__name__, error))[:1000]


class _Session:
    def __init__(self, worker, channel):
        self._worker = worker
        self._channel = channel

    def load(self, request):
        worker = self._worker
        worker.options = request.get("options") or {}
        worker.voice = request["voice"]
        worker.memory_bytes = request.get("memory_bytes", 0)
        device = request["device"]
        if worker.memory_bytes and device != "cpu":
            _limit_memory(worker.memory_bytes)
        worker.load(device)
        sample_rate = worker.sample_rate or worker.voice["sample_rate"]
        self._channel.send({
            "type": "ready",
            "sample_rate": int(sample_rate),
            "speakers": [str(name) for name in worker.speakers],
            "max_batch": int(worker.max_batch),
            "batch_invariant": bool(worker.batch_invariant) or int(worker.max_batch) == 1,
            "device": worker.device_used or _device_used(device),
            "numerics": str(worker.numerics),
        })

    def speak(self, items):
        """Answers each item exactly once."""
        try:
            results = self._results(items)
        except Exception as error:
            if len(items) == 1:
                self._fail(items[0], error)
                return
            if _kind_of(error) == "broken_device":
                self._die(error)
            print("a batch of %d failed, its items are tried alone: %s"
                  % (len(items), _words(error)), file=sys.stderr)
            short_of_memory = _kind_of(error) == "out_of_memory"
        else:
            for item, audio in results:
                try:
                    self._answer(item, audio)
                except (TypeError, ValueError) as error:
                    self._fail(item, error)
            return
        if short_of_memory:  # out here the error's frames, and with them its tensors, are gone
            _free_memory()
        for item in items:  # which of them it was
            self.speak([item])

    def _results(self, items):
        """Pairs of an item and its audio. All are there before the first is sent: of a generator
        that gives too many or too few, no audio can be told to be the item's own."""
        seed_everything(items[0].seed)
        results = self._worker.synthesize(items)
        if isinstance(results, dict):
            by_id = {item.id: item for item in items}
            pairs = [(by_id.get(key), audio) for key, audio in results.items()]
        else:
            pairs, results = [], iter(results)
            while True:
                place = len(pairs)
                if place < len(items):
                    seed_everything(items[place].seed)  # for one that works as it is asked
                result = next(results, _END)
                if result is _END:
                    break
                if not (isinstance(result, tuple) and len(result) == 2
                        and isinstance(result[0], Item)):
                    result = (items[place] if place < len(items) else None, result)
                pairs.append(result)
        given = [item.id for item, _ in pairs if item is not None]
        if sorted(given) != sorted(item.id for item in items) or len(given) != len(pairs):
            raise ValueError("synthesize() gave %d audios for %d items: it gives one for each; the "
                             "parts of one are joined first" % (len(pairs), len(items)))
        return pairs

    def _answer(self, item, audio):
        form, data = encode_audio(audio)
        samples = len(data) // (2 if form == "s16" else 4)
        self._channel.send({"type": "audio", "id": item.id, "samples": samples, "format": form}, data)

    def _fail(self, item, error):
        if isinstance(error, Unspeakable):
            self._channel.send({"type": "filtered", "id": item.id, "reason": "unspeakable"})
            return
        traceback.print_exception(type(error), error, error.__traceback__)
        kind = _kind_of(error)
        if kind == "broken_device":
            self._die(error)
        code = "worker_out_of_memory" if kind == "out_of_memory" else "worker_error"
        message = _words(error)
        if kind == "out_of_memory":
            error = None
            _free_memory()
        self._channel.send({"type": "error", "id": item.id, "code": code, "message": message})

    @staticmethod
    def _die(error):
        print("the device is broken for this process, which ends: " + _words(error), file=sys.stderr)
        sys.stderr.flush()
        os._exit(_EXIT_BROKEN_DEVICE)


def _limit_memory(most):
    """Holds torch to the bytes that FlowTTS allows, where the author has imported it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, most / total), 0)


def _device_used(device):
    torch = sys.modules.get("torch")
    if device == "cpu" or torch is None or not hasattr(torch, "cuda"):
        return device
    return device if torch.cuda.is_available() and torch.cuda.memory_allocated() > 0 else "cpu"


def _serve(worker, channel):
    request = channel.receive()
    channel.send({"type": "hello", "protocol": PROTOCOL, "sdk": __version__,
                  "python": "%d.%d.%d" % sys.version_info[:3]})
    if request is None or request.get("protocol") != PROTOCOL:
        return 1  # FlowTTS has the hello, and says what does not fit
    heartbeat = _Heartbeat(channel, float(request.get("heartbeat_s", 1.0)))
    heartbeat.start()
    session = _Session(worker, channel)
    try:
        session.load(request)
    except CannotLoad as error:
        channel.send({"type": "failed", "message": str(error)[:1000]})
        return 1
    except Exception as error:
        traceback.print_exc()
        channel.send({"type": "failed", "message": _words(error)})
        return 1
    while True:
        request = channel.receive()
        if request is None or request["type"] == "close":
            break
        if request["type"] == "synthesize":
            session.speak([Item(**item) for item in request["items"]])
    heartbeat.stopped.set()
    worker.close()
    return 0


# --- by hand ----------------------------------------------------------------------------------------


def _speak_to_file(worker, arguments):
    import argparse
    import time
    import wave

    parser = argparse.ArgumentParser(
        description="Speaks a text with this voice into a wav file. FlowTTS itself starts this "
                    "program in another way.")
    parser.add_argument("text")
    parser.add_argument("wav")
    parser.add_argument("--speaker", default="")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument("--sample-rate", type=int, default=24000,
                        help="where the voice itself does not say it")
    parser.add_argument("--options", type=json.loads, default={}, metavar="JSON")
    given = parser.parse_args(arguments)
    worker.options = given.options
    worker.voice = {"name": "voice", "folder": os.getcwd(), "model": "", "languages": [],
                    "sample_rate": given.sample_rate, "speakers": [given.speaker]}
    begin = time.monotonic()
    worker.load(given.device)
    loaded = time.monotonic()
    item = Item(1, given.text, given.speaker, given.speed, given.seed)
    seed_everything(item.seed)
    results = worker.synthesize([item])
    audio = next(iter(results.values() if isinstance(results, dict) else results))
    if isinstance(audio, tuple) and isinstance(audio[0], Item):
        audio = audio[1]
    form, data = encode_audio(audio)
    rate = worker.sample_rate or given.sample_rate
    if form == "f32":
        floats = _little_endian(array.array("f", data))
        pcm = array.array("h", (max(-32768, min(32767, round(value * 32768))) for value in floats))
    else:
        pcm = _little_endian(array.array("h", data))
    with wave.open(given.wav, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(rate))
        file.writeframes(_little_endian(pcm).tobytes())
    print("%s: %.2f s at %d Hz; loaded in %.1f s, spoken in %.2f s"
          % (given.wav, len(pcm) / rate, rate, loaded - begin, time.monotonic() - loaded))
    return 0


def run(worker):
    """Serves FlowTTS with a Worker, a class or an object of one, until it closes the connection."""
    worker = worker() if isinstance(worker, type) else worker
    descriptor = os.environ.pop("FLOWTTS_WORKER_FD", "")
    if not descriptor:
        sys.exit(_speak_to_file(worker, sys.argv[1:]))
    try:
        status = _serve(worker, _Channel(int(descriptor)))
    except (BrokenPipeError, ConnectionResetError):
        status = 1  # FlowTTS is gone
    sys.exit(status)
