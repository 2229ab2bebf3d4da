"""Speaks with an ONNX model, by PyPI's onnxruntime (onnxruntime-gpu for GPUs).

A voice file says which of the model's inputs is given what:

    format: worker
    command: [python3, ../../workers/onnx.py]
    model: voice.onnx
    options:
      inputs: {input: tokens, input_lengths: lengths, scales: [0.667, length_scale, 0.8], sid: speaker}
      output: output
      output_lengths: output_lengths    # samples of each row; or in frames, with hop
      symbols: symbols.txt              # for front_end: {type: text}; without, the front end's tokens

An input is given `tokens`, `lengths`, `speaker` (its place in the voice file), `speed`,
`length_scale` (1 / speed), `seed`, a number, or a list of these. Types and ranks are the model's own.

options, all but `inputs` and `output` optional:

    output_lengths, hop       how much of each row is sound; without them a row is sound to its end
    symbols                   a file with a line for each symbol: "a 14", or "a", whose place counts
    start, end, blank         token ids put before, after and between the others
    pad                       the token that short rows of a batch are filled with (0)
    max_batch                 1; more only for a model that masks what it pads
    batch_invariant           whether it does so to the bit
    threads                   of the CPU provider (1)
    providers                 [CUDAExecutionProvider] and the like; by default CUDA on a GPU

A model that draws its noise inside (RandomNormal) gives other samples at each call: export it with
the noise or the seed as an input, or without noise.
"""

import flowtts_worker

import numpy
import onnxruntime

_TYPES = {"tensor(float)": numpy.float32, "tensor(double)": numpy.float64,
          "tensor(float16)": numpy.float16, "tensor(int64)": numpy.int64,
          "tensor(int32)": numpy.int32, "tensor(bool)": numpy.bool_}
_VALUES = ("tokens", "lengths", "speaker", "speed", "length_scale", "seed")


def read_symbols(path):
    """From a symbol to its id."""
    symbols = {}
    with open(path, encoding="utf-8") as file:
        for place, line in enumerate(file):
            line = line.rstrip("\r\n")
            name, _, number = line.rpartition(" ")
            if number.isdigit() and (name or line.startswith(" ")):
                symbols[name or " "] = int(number)
            elif line:
                symbols[line] = place
    return symbols


class OnnxVoice(flowtts_worker.Worker):
    def load(self, device):
        options = self.options
        path = self.voice["model"] or options.get("model")
        if not path:
            raise ValueError("the voice file names no model")
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.get("threads", 1)
        wanted = options.get("providers") or (
            ["CUDAExecutionProvider"] if device != "cpu" else ["CPUExecutionProvider"])
        self.session = onnxruntime.InferenceSession(path, settings, providers=wanted)
        used = self.session.get_providers()
        self.device_used = "cpu" if used == ["CPUExecutionProvider"] else device
        self.numerics = "onnxruntime %s, %s" % (onnxruntime.__version__, used[0])
        self.max_batch = options.get("max_batch", 1)
        self.batch_invariant = options.get("batch_invariant", False)
        self.inputs = options["inputs"]
        self.outputs = [options["output"]]
        if "output_lengths" in options:
            self.outputs.append(options["output_lengths"])
        self.symbols = read_symbols(options["symbols"]) if "symbols" in options else None
        self.types = {given.name: given for given in self.session.get_inputs()}
        self._check_names()

    def _check_names(self):
        known = sorted(self.types)
        for name in list(self.inputs) + [name for name in known if name not in self.inputs]:
            if name not in self.types or name not in self.inputs:
                raise ValueError("options: inputs: the model has the inputs %s, and %s are given"
                                 % (", ".join(known), ", ".join(sorted(self.inputs))))
        outputs = [output.name for output in self.session.get_outputs()]
        for name in self.outputs:
            if name not in outputs:
                raise ValueError("options: the model has no output '%s'; it has %s"
                                 % (name, ", ".join(outputs)))
        for value in self.inputs.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str) and one not in _VALUES:
                    raise ValueError("options: inputs: '%s' is not known; allowed is a number or %s"
                                     % (one, ", ".join(_VALUES)))

    def tokens_of(self, item):
        if self.symbols is None:
            tokens = list(item.tokens)
        else:
            tokens = []
            for character in item.text:
                number = self.symbols.get(character, self.symbols.get(character.lower()))
                if number is not None:
                    tokens.append(number)
                elif character.isalnum():
                    raise flowtts_worker.Unspeakable("no symbol for %r" % character)
        if not tokens:
            raise flowtts_worker.Unspeakable()
        blank = self.options.get("blank")
        if blank is not None:
            tokens = [blank] + [number for token in tokens for number in (token, blank)]
        start, end = self.options.get("start"), self.options.get("end")
        return ([] if start is None else [start]) + tokens + ([] if end is None else [end])

    def synthesize(self, items):
        rows = [self.tokens_of(item) for item in items]
        lengths = [len(row) for row in rows]
        pad = self.options.get("pad", 0)
        values = {
            "tokens": [row + [pad] * (max(lengths) - len(row)) for row in rows],
            "lengths": lengths,
            "speaker": [self.voice["speakers"].index(item.speaker) if item.speaker else 0
                        for item in items],
            "speed": [item.speed for item in items],
            "length_scale": [1 / item.speed for item in items],
            "seed": [item.seed % (1 << 31) for item in items],
        }
        given = {name: self._input(name, value, values, len(items))
                 for name, value in self.inputs.items()}
        results = self.session.run(self.outputs, given)
        audio = results[0].reshape(len(items), -1)
        if len(results) == 1:
            return list(audio)
        samples = results[1].reshape(-1).astype(numpy.int64) * self.options.get("hop", 1)
        for item, count in zip(items, samples):
            if not 0 < count <= audio.shape[1]:
                raise ValueError("the model says %d samples for %r, and gave %d"
                                 % (count, item.text, audio.shape[1]))
        return [row[:count] for row, count in zip(audio, samples)]

    def _input(self, name, value, values, rows):
        kind = self.types[name]
        dtype = _TYPES[kind.type]
        if isinstance(value, list):  # one vector for the whole batch, as Piper's scales
            firsts = [values[one] if isinstance(one, str) else [one] for one in value]
            if any(len(set(map(str, first))) > 1 for first in firsts):
                raise ValueError("'%s' has one value for a batch, and its items differ" % name)
            array = numpy.array([first[0] for first in firsts], dtype)
            return array.reshape([1] * (len(kind.shape) - 1) + [-1]) if len(kind.shape) > 1 else array
        array = numpy.array(values[value] if isinstance(value, str) else [value] * rows, dtype)
        rank = len(kind.shape)
        if rank == 0:
            return array.reshape(-1)[0]
        return array.reshape(array.shape + (1,) * (rank - array.ndim))


if __name__ == "__main__":
    flowtts_worker.run(OnnxVoice)
