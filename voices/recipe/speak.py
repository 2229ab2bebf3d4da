#!/usr/bin/env python3
"""Speaks the test set into a folder with a manifest, which bench/asr_wer.py and
bench/check_audio.py read, and compares the lengths with the teacher's."""

import argparse
import json
import wave
from pathlib import Path

import numpy as np
import torch

import records
from model import HOP, SAMPLE_RATE

SPEAKERS = ("slt", "rms", "awb", "kal16")


def as_arguments(record):
    """The module's arguments for one sentence."""
    tokens = torch.from_numpy(record.tokens.astype(np.int64))[None]
    return (tokens, torch.tensor([tokens.size(1)]), torch.tensor([record.speaker]),
            torch.ones(1))


def speak(voice, record):
    """16-bit samples, and each token's duration in seconds."""
    tokens, lengths, speaker, speed = as_arguments(record)
    h, durations, frames = voice.plan(tokens, lengths, speaker, speed)
    audio = voice.render(h, durations, lengths, speaker, frames, torch.zeros(int(frames)))
    samples = np.clip(audio[0].numpy(), -1, 1) * 32767
    return samples.astype("<i2"), durations[0].numpy() * (HOP / SAMPLE_RATE)


def write_wav(path, samples):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(samples.tobytes())


def manifest_line(index, record, text, path, samples):
    sentence = {"text": text, "spoken": text, "audio": path, "sample_rate": SAMPLE_RATE,
                "samples": len(samples), "seconds": len(samples) / SAMPLE_RATE,
                "speaker": SPEAKERS[record.speaker]}
    turn = {"from": "human", "value": text, "spoken": text, "sentences": [sentence]}
    return json.dumps({"index": index, "id": f"{SPEAKERS[record.speaker]}_{record.line:05d}",
                       "conversations": [turn], "status": "written"})


def report(errors):
    for speaker, rows in sorted(errors.items()):
        token, length = np.mean(rows, axis=0)
        print(f"{SPEAKERS[speaker]}: {len(rows)} sentences, a token's duration off by "
              f"{token * 1000:.1f} ms, a sentence's by {length * 100:.1f}%")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("voice", metavar="VOICE.pt")
    parser.add_argument("shards", type=Path, help="folder of the test set's shards")
    parser.add_argument("texts", type=Path, help="test.txt")
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", action="store_true", help="write the teacher's audio instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch._C._jit_set_profiling_executor(False)  # it rounds some durations differently
    torch._C._jit_set_profiling_mode(False)
    voice = torch.jit.load(options.voice, map_location="cpu").float().eval()
    texts = options.texts.read_text().splitlines()
    (options.out / "audio").mkdir(parents=True, exist_ok=True)
    lines, errors = [], {}
    for record in (r for path in sorted(options.shards.glob("*.bin")) for r in records.read(path)):
        with torch.inference_mode():
            samples, durations = speak(voice, record)
        real = np.diff(record.ends, prepend=0)
        errors.setdefault(record.speaker, []).append(
            (np.abs(durations - real).mean(), abs(durations.sum() / real.sum() - 1)))
        if options.teacher:
            samples = record.samples
        path = f"audio/{SPEAKERS[record.speaker]}_{record.line:05d}.wav"
        write_wav(options.out / path, samples)
        lines.append(manifest_line(len(lines), record, texts[record.line], path, samples))
    (options.out / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    report(errors)


if __name__ == "__main__":
    main()
