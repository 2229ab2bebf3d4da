#!/usr/bin/env python3
"""Measures every wav file of an output folder against its manifest.

Exit 1 where a file is missing or unreadable, silent, of another length or rate than the manifest
says, or has a run of samples at full scale. Unlikely durations are listed, but do not fail.
"""

import argparse
import array
import itertools
import math
import operator
import statistics
import sys
import wave
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from output_folder import read_sentences

SILENCE_DB = -60.0  # a peak below this is silence
CLIPPING_RUN = 3    # samples in a row at full scale: a peak that was cut off
LISTED = 20


def decibels(share):
    return 20 * math.log10(share) if share > 0 else -math.inf


def longest_run(samples, low, high):
    """The longest run of samples at either end of the scale."""
    return max((sum(1 for _ in run) for full, run in
                itertools.groupby(samples, lambda x: x <= low or x >= high) if full), default=0)


def read_samples(path):
    """Rate, channels, samples as integers of 16 or 32 bits, and the lowest and highest of them."""
    with wave.open(str(path)) as file:
        rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
        data = file.readframes(file.getnframes())
    if width == 3:  # widened to 32 bits, the low byte zero
        data = b"".join(b"\0" + data[i:i + 3] for i in range(0, len(data), 3))
    samples = array.array({1: "B", 2: "h", 3: "i", 4: "i"}[width], data)
    if sys.byteorder == "big":
        samples.byteswap()
    if width == 1:  # unsigned
        samples = array.array("h", (x - 128 for x in samples))
    low = {1: -2 ** 7, 2: -2 ** 15, 3: -2 ** 31, 4: -2 ** 31}[width]
    return rate, channels, samples, low, -low - (256 if width == 3 else 1)


def measure(sentence):
    """Figures of one file, and what is wrong with it."""
    try:
        rate, channels, samples, low, high = read_samples(sentence.path)
    except FileNotFoundError:
        return None, ["missing"]
    except (wave.Error, EOFError, KeyError) as error:
        return None, [f"unreadable: {error}"]
    frames = len(samples) // channels
    faults = []
    if frames != sentence.samples:
        faults.append(f"{frames} samples, the manifest says {sentence.samples}")
    if rate != sentence.sample_rate:
        faults.append(f"{rate} Hz, the manifest says {sentence.sample_rate}")
    if not samples:
        return None, faults + ["empty"]
    peak = max(max(samples), -min(samples)) / -low
    level = math.sqrt(sum(map(operator.mul, samples, samples)) / len(samples)) / -low
    clipped = sum(1 for x in samples if x <= low or x >= high) if -low * peak >= high else 0
    run = longest_run(samples, low, high) if clipped else 0
    if run >= CLIPPING_RUN:
        faults.append(f"clipped: {run} samples in a row at full scale")
    if decibels(peak) < SILENCE_DB:
        faults.append("silent")
    seconds = frames / rate
    return {"seconds": seconds, "seconds a character": seconds / max(1, len(sentence.text)),
            "peak, dB": decibels(peak), "RMS level, dB": decibels(level),
            "samples at full scale": clipped}, faults


def print_table(rows):
    print(f"{'':24}{'min':>10}{'median':>10}{'max':>10}")
    for name in rows[0]:
        values = [row[name] for row in rows]
        figures = (min(values), statistics.median(values), max(values))
        print(f"{name:24}" + "".join(f"{figure:10.3f}" for figure in figures))


def print_some(title, lines):
    if not lines:
        return
    print(f"\n{title}: {len(lines)}")
    for line in lines[:LISTED]:
        print("  " + line)
    if len(lines) > LISTED:
        print(f"  and {len(lines) - LISTED} more")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a run's output folder")
    parser.add_argument("--seconds-a-character", type=float, nargs=2, default=(0.035, 1.2),
                        metavar=("LOW", "HIGH"), help="durations outside are listed")
    parser.add_argument("--jobs", type=int, help="processes (default: one a core)")
    options = parser.parse_args()
    sentences = list(read_sentences(options.folder))
    wavs = [s for s in sentences if s.path.suffix == ".wav"]
    if not wavs:
        sys.exit("check_audio: the manifest names no wav file")
    with ProcessPoolExecutor(options.jobs) as pool:
        measured = list(pool.map(measure, wavs, chunksize=16))

    rows = [row for row, _ in measured if row]
    low, high = options.seconds_a_character
    unlikely, wrong = [], []
    for sentence, (row, faults) in zip(wavs, measured):
        name = sentence.path.relative_to(options.folder)
        wrong += [f"{name}: {fault}" for fault in faults]
        if row and not low <= row["seconds a character"] <= high:
            unlikely.append(f"{name}: {row['seconds']:.2f} s for {len(sentence.text)} characters: "
                            f"{sentence.text[:60]!r}")
    print(f"{len(wavs)} wav files, {sum(row['seconds'] for row in rows) / 3600:.3f} h"
          + (f"; {len(sentences) - len(wavs)} of other formats not measured"
             if len(sentences) > len(wavs) else ""))
    if rows:
        print_table(rows)
    print_some("Unlikely durations", unlikely)
    print_some("Faults", wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
