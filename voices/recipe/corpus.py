"""The teacher's data on the training device, and the two ways to draw batches from it."""

from typing import NamedTuple

import numpy as np
import torch

import records
from model import HOP, SAMPLE_RATE

# Brings the four teachers to one level.
SPEAKER_GAIN = (0.45, 0.85, 0.80, 2.2)
MIN_FRAMES = 20
MIN_PEAK = 500  # of 32768: anything quieter is not speech

# Buckets of the second run: frames at most, and tokens at most.
BUCKET_FRAMES = np.array([128, 192, 256, 320, 384, 480, 640, 960, 1600])
BUCKET_TOKENS = np.array([24, 32, 42, 52, 62, 78, 100, 140, 220])


class Batch(NamedTuple):
    tokens: torch.Tensor         # int64 [B, T]
    token_lengths: torch.Tensor  # int64 [B]
    token_mask: torch.Tensor     # bool [B, T]
    speaker: torch.Tensor        # int64 [B]
    durations: torch.Tensor      # float32 [B, T], frames
    frame_lengths: torch.Tensor  # int64 [B]
    frame_mask: torch.Tensor     # bool [B, F]
    log_f0: torch.Tensor         # float32 [B, F]
    voiced: torch.Tensor         # float32 [B, F]
    audio: torch.Tensor          # float32 [B, 160 F]


class Corpus:
    """All utterances end to end, one tensor a kind. `index` holds where each one's parts start and
    how long they are: first token, tokens, first frame, frames, first sample, samples, speaker."""

    KINDS = ("tokens", "ends", "log_f0", "voiced", "samples")

    def __init__(self, paths, device, max_frames=2500, max_tokens=400):
        self.device = device
        self.gain = torch.tensor(SPEAKER_GAIN, device=device) / 32768.0
        parts = {kind: [] for kind in self.KINDS}
        rows = []
        token, frame, sample = 0, 0, 0
        for path in paths:
            for record in records.read(path):
                frames = len(record.log_f0)
                if (not MIN_FRAMES <= frames <= max_frames or len(record.tokens) > max_tokens
                        or np.abs(record.samples.astype(np.int32)).max() < MIN_PEAK):
                    continue
                rows.append((token, len(record.tokens), frame, frames, sample,
                             len(record.samples), record.speaker))
                for kind in self.KINDS:
                    parts[kind].append(getattr(record, kind))
                token += len(record.tokens)
                frame += frames
                sample += len(record.samples)
        if not rows:
            raise ValueError("no usable utterance in the shards")
        rows.sort(key=lambda row: row[3])
        self.rows = np.array(rows)
        self.index = torch.from_numpy(self.rows).to(device)
        self.data = {kind: torch.from_numpy(np.concatenate(part)).to(device)
                     for kind, part in parts.items()}
        self.hours = sample / SAMPLE_RATE / 3600

    def batch(self, chosen, tokens, frames):
        """The utterances `chosen` (indices on the device), padded to `tokens` and `frames`."""
        rows = self.index[chosen]
        (first_token, token_lengths, first_frame, frame_lengths, first_sample, samples,
         speaker) = rows.unbind(1)

        at = torch.arange(tokens, device=self.device)[None]
        token_mask = at < token_lengths[:, None]
        where = first_token[:, None] + torch.minimum(at, token_lengths[:, None] - 1)
        token = torch.where(token_mask, self.data["tokens"][where].long(), 0)
        end = torch.where(token_mask, self.data["ends"][where] * (SAMPLE_RATE / HOP), 0.0)
        duration = torch.cat([end[:, :1], end[:, 1:] - end[:, :-1]], 1).clamp(min=0) * token_mask

        at = torch.arange(frames, device=self.device)[None]
        frame_mask = at < frame_lengths[:, None]
        where = first_frame[:, None] + torch.minimum(at, frame_lengths[:, None] - 1)
        log_f0 = self.data["log_f0"][where]
        voiced = self.data["voiced"][where].float() * frame_mask

        at = torch.arange(frames * HOP, device=self.device)[None]
        where = first_sample[:, None] + torch.minimum(at, samples[:, None] - 1)
        level = (at < samples[:, None]).float() * self.gain[speaker][:, None]
        audio = self.data["samples"][where].float() * level
        return Batch(token, token_lengths, token_mask, speaker, duration, frame_lengths,
                     frame_mask, log_f0, voiced, audio)


class NeighbourSampler:
    """Batches of neighbours in length, each padded to its own longest: every shape occurs."""

    def __init__(self, corpus, batch_frames, rng):
        self.corpus, self.batch_frames, self.rng = corpus, batch_frames, rng

    def draw(self):
        """Indices, padded tokens, padded frames, and a key of the shape (here none)."""
        rows = self.corpus.rows
        first = int(self.rng.integers(0, len(rows)))
        size = max(8, min(160, self.batch_frames // int(rows[first, 3])))
        first = max(0, min(first, len(rows) - size))
        chosen = np.arange(first, min(first + size, len(rows)))
        return chosen, int(rows[chosen, 1].max()), int(rows[chosen, 3].max()), None


class BucketSampler:
    """Batches of a few fixed shapes, so that a step can be captured as a CUDA graph."""

    def __init__(self, corpus, batch_frames, rng):
        self.rng = rng
        bucket = np.searchsorted(BUCKET_FRAMES, corpus.rows[:, 3])
        fits = bucket < len(BUCKET_FRAMES)
        fits[fits] = corpus.rows[fits, 1] <= BUCKET_TOKENS[bucket[fits]]
        self.members = [np.nonzero(fits & (bucket == i))[0] for i in range(len(BUCKET_FRAMES))]
        self.sizes = [max(8, min(192, batch_frames // int(frames))) for frames in BUCKET_FRAMES]
        self.left_out = int((~fits).sum())
        share = np.array([len(m) / size for m, size in zip(self.members, self.sizes)])
        self.share = share / share.sum()

    def draw(self):
        bucket = int(self.rng.choice(len(self.sizes), p=self.share))
        members, size = self.members[bucket], self.sizes[bucket]
        chosen = self.rng.choice(members, size, replace=len(members) < size)
        return chosen, int(BUCKET_TOKENS[bucket]), int(BUCKET_FRAMES[bucket]), bucket
