#!/usr/bin/env python3
"""The usual way of speaking many sentences in Python, on one GPU: P processes, each with its own
copy of the model, each with every Pth sentence, one sentence at a time, written as it comes.

    oracle --input FILE --tokens TOKENS --only-tokens 1
    bench/old_way.py TOKENS --output FOLDER [--processes 4] [--seconds 20]

It is spared the front end (it reads tokens) and the resampling, loads and warms up before the time
counts, and uses TorchScript's simple graph executor, which is the faster one here. Float32, no TF32.
Prints one JSON object. Needs torch.
"""
import argparse
import ctypes
import json
import multiprocessing
import os
import pathlib
import time
import wave

from watch import Gpu, Watch

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARM_UP = 20


class Voice:
    def __init__(self, model, device):
        import torch
        torch.set_num_threads(1)
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch._C._jit_set_profiling_executor(False)
        self.torch = torch
        self.device = torch.device(device)
        self.module = torch.jit.load(str(model), map_location=self.device).eval().float()

    def speak(self, speaker, tokens):
        """16-bit samples as bytes."""
        torch = self.torch
        def on_device(values, kind):
            return torch.tensor(values, dtype=kind, device=self.device)
        with torch.inference_mode():
            audio, lengths = self.module(on_device([tokens], torch.int64),
                                         on_device([len(tokens)], torch.int64),
                                         on_device([speaker], torch.int64),
                                         on_device([1.0], torch.float32))
            audio = audio[0, :int(lengths[0])].cpu()
            samples = (audio.clamp(-1, 1) * 32767).round().to(torch.int16).contiguous()
        return ctypes.string_at(samples.data_ptr(), 2 * samples.numel())


def write(path, rate, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)


def read_slice(tokens, number, processes):
    with open(tokens, encoding="ascii") as file:
        lines = file.readlines()[number::processes]
    numbers = [[int(word) for word in line.split()] for line in lines]
    return [(line[0], line[1:]) for line in numbers]


def work(number, options, ready, go, results):
    voice = Voice(options.model, options.device)
    sentences = read_slice(options.tokens, number, options.processes)
    for speaker, tokens in sentences[:WARM_UP]:
        voice.speak(speaker, tokens)
    ready.wait()
    go.wait()
    began, used, done, audio = time.monotonic(), time.process_time(), 0, 0.0
    for i, (speaker, tokens) in enumerate(sentences):
        if time.monotonic() - began >= options.seconds:
            break
        samples = voice.speak(speaker, tokens)
        write(options.output / f"sft_{number}_{i}.wav", options.rate, samples)
        done += 1
        audio += len(samples) / 2 / options.rate
    results.put({"sentences": done, "audio_seconds": audio, "began": began,
                 "ended": time.monotonic(), "cpu_seconds": time.process_time() - used})


def measure(options):
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(options.processes + 1), context.Event()
    results = context.Queue()
    workers = [context.Process(target=work, args=(i, options, ready, go, results), daemon=True)
               for i in range(options.processes)]
    gpu = Gpu(options.gpu)
    before = gpu.memory_used()
    with Watch(os.getpid(), gpu) as watch:
        for worker in workers:
            worker.start()
        ready.wait(timeout=300)
        go.set()
        parts = [results.get(timeout=options.seconds + 120) for _ in workers]
        for worker in workers:
            worker.join()
    began, ended = min(part["began"] for part in parts), max(part["ended"] for part in parts)
    audio = sum(part["audio_seconds"] for part in parts)
    peak = watch.card_peak()
    return {"processes": options.processes, "sentences": sum(part["sentences"] for part in parts),
            "audio_seconds": audio, "seconds": ended - began, "speed": audio / (ended - began),
            "cpu_seconds": sum(part["cpu_seconds"] for part in parts),
            "active_share": watch.active_share(began, ended), "host_bytes": watch.host_peak,
            "gpu_bytes": None if peak is None else peak - before}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("tokens", type=pathlib.Path, help="a line a sentence: speaker, tokens")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="an empty folder")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20, help="after all are warm")
    parser.add_argument("--model", type=pathlib.Path,
                        default=ROOT / "configs" / "voices" / "default" / "voice.pt")
    parser.add_argument("--rate", type=int, default=16000, help="of the model's audio, hertz")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--gpu", type=int, default=0, help="the device as nvidia-smi numbers it")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if any(options.output.iterdir()):
        parser.error(f"{options.output} is not empty")
    print(json.dumps(measure(options)))


if __name__ == "__main__":
    main()
