"""Reads the shards that teacher/teacher.c writes (the format is described there)."""

import struct
from typing import NamedTuple

import numpy as np

MAGIC = 0x46475231


class Record(NamedTuple):
    line: int
    speaker: int
    tokens: np.ndarray   # int16 [T]
    ends: np.ndarray     # float32 [T], seconds
    log_f0: np.ndarray   # float32 [F], a frame is 10 ms
    voiced: np.ndarray   # uint8 [F]
    samples: np.ndarray  # int16 [N], 16 kHz


def read(path):
    """All records of one shard."""
    with open(path, "rb") as file:
        data = file.read()
    records, at = [], 0
    while at < len(data):
        magic, line, speaker, tokens, samples, frames = struct.unpack_from("<6i", data, at)
        if magic != MAGIC:
            raise ValueError(f"{path}: no record at byte {at}")
        at += 24
        arrays = []
        for kind, count in (("<i2", tokens), ("<f4", tokens), ("<f4", frames), ("u1", frames),
                            ("<i2", samples)):
            arrays.append(np.frombuffer(data, kind, count, at))
            at += arrays[-1].nbytes
        records.append(Record(line, speaker, *arrays))
    return records
