#!/usr/bin/env python3
"""How far apart do two runs of the same sentences sound? The distance of their log-mel spectra.

    bench/mel_distance.py OUT_A OUT_B

Two output folders of the same records, of float32 and float16 say, as 16-bit wav. For each sentence
that has the same number of samples in both: 80 mel bands of 0 to 8 kHz from windows of 50 ms every
12.5 ms, in decibels, not below -80; the mean absolute difference over bands and windows. Printed are
the mean, the median and the largest, and for scale the same between neighbouring sentences of OUT_A.
Half precision drifts in phase, which is not heard and makes sample differences useless; spectra do
not see it. Needs numpy.
"""
import argparse
import statistics
import wave
from pathlib import Path

import numpy as np

from output_folder import read_sentences

BANDS, TOP, FLOOR = 80, 8000.0, -80.0


def mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)  # O'Shaughnessy, Speech Communication, 1987


def filters(rate, bins):
    """Triangles that are evenly spaced in mel: [BANDS, bins]."""
    edges = 700 * (10 ** (np.linspace(0, mel(TOP), BANDS + 2) / 2595) - 1)
    at = np.linspace(0, rate / 2, bins)
    rise = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(rise, fall), 0, None)


def log_mel(path):
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    size, hop = rate // 20, rate // 80
    samples = np.pad(samples, (0, max(0, size - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    power = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1)) ** 2 / size
    return np.maximum(10 * np.log10(power @ filters(rate, power.shape[1]).T + 1e-12), FLOOR)


def distance(a, b):
    return float(np.abs(a - b).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    options = parser.parse_args()
    other = {sentence.path.name: sentence for sentence in read_sentences(options.b)}
    same, unlike, lengths, before = [], [], 0, None
    for sentence in read_sentences(options.a):
        match = other.get(sentence.path.name)
        if match is None:
            continue
        if match.samples != sentence.samples:
            lengths += 1
            continue
        spectrum = log_mel(sentence.path)
        same.append(distance(spectrum, log_mel(match.path)))
        if before is not None:
            frames = min(len(before), len(spectrum))
            unlike.append(distance(before[:frames], spectrum[:frames]))
        before = spectrum
    print(f"{len(same)} sentences ({lengths} of another length left out): mean {statistics.mean(same):.2f} dB, "
          f"median {statistics.median(same):.2f} dB, largest {max(same):.2f} dB; "
          f"neighbouring sentences differ by {statistics.mean(unlike):.1f} dB")


if __name__ == "__main__":
    main()
