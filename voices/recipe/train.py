#!/usr/bin/env python3
"""Trains the voice in two runs:  train.py --run a ...  and then  train.py --run b --resume A ...

Run A learns durations, pitch and spectra alone, then against discriminators. Run B goes on with all
losses at once, in batches of fixed shapes that are replayed as CUDA graphs. A run's length is in
seconds on the clock, and its learning rates follow it: on a GPU slower than an H200 use --stretch.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from corpus import BucketSampler, Corpus, NeighbourSampler
from discriminators import Discriminators
from export import BUFFERS, fill, load_weights
from losses import discriminator_loss, frame_mel, generator_losses, mel_loss, stft_loss
from model import CHUNK, HOP, Voice

SEGMENT_FRAMES = 84  # frames of a vocoder example on which losses are computed
MARGIN_FRAMES = 8    # more on each side, so that its convolutions see real neighbours
EMA_DECAY = 0.999
LOG_SECONDS = 10
LOSSES = ("duration", "f0", "voicing", "mel_head", "stft", "mel", "discriminator", "adversarial",
          "features", "gradient")


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own rates and weights of losses."""
    seconds: float
    rate: float                       # learning rate of the voice at the start
    end: float                        # what share of it is left at the end (half a cosine)
    warm_up: int                      # steps until the rate is reached
    duration: float
    f0: float
    mel: float
    adversarial: float = 0.0          # 0: no discriminators
    adversarial_warm_up: int = 0
    features: float = 2.0             # feature matching, against the adversarial loss
    discriminator_rate: float = 3e-4  # falls to a tenth


RUNS = {
    "a": [Phase(seconds=150, rate=1e-3, end=0.4, warm_up=200, duration=1, f0=3, mel=2),
          Phase(seconds=240, rate=4e-4, end=0.03, warm_up=0, duration=1, f0=3, mel=8,
                adversarial=1.0, adversarial_warm_up=500)],
    "b": [Phase(seconds=470, rate=5e-4, end=0.02, warm_up=150, duration=2, f0=5, mel=8,
                adversarial=1.5)],
}


def one_hot_embedding(self, indices):
    """An embedding's look-up as a product of matrices: its backward pass can be captured as a
    CUDA graph, which that of the look-up cannot."""
    with torch.autocast(device_type=indices.device.type, enabled=False):
        rows = torch.arange(self.num_embeddings, device=indices.device)
        return (indices.unsqueeze(-1) == rows).to(self.weight.dtype) @ self.weight


nn.Embedding.forward = one_hot_embedding


def half_cosine(progress, end):
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress))) * (1 - end) + end


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):  # read by captured graphs: change it in place
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def make_optimizer(parameters, device):
    options = {}
    if device.type == "cuda":
        options = dict(lr=torch.tensor(1e-5, device=device), fused=True, capturable=True)
    return torch.optim.AdamW(parameters, betas=(0.8, 0.99), weight_decay=0.01, **options)


class Trainer:
    def __init__(self, device, width, segments):
        self.device = device
        self.segments = segments
        self.voice = Voice(channels=width, vocoder_channels=width).to(device)
        self.average = Voice(channels=width, vocoder_channels=width).to(device)
        self.average.load_state_dict(self.voice.state_dict())
        self.judges = Discriminators().to(device)
        if device.type == "cuda":
            self.judges = self.judges.to(memory_format=torch.channels_last)
        self.parameters = list(self.voice.parameters())
        self.averaged = list(self.average.parameters())
        self.judge_parameters = list(self.judges.parameters())
        self.optimizer = make_optimizer(self.parameters, device)
        self.judge_optimizer = make_optimizer(self.judge_parameters, device)
        self.sums = torch.zeros(len(LOSSES), device=device)

    def resume(self, folder):
        fill(self.voice, load_weights(folder / "g.pt"))
        fill(self.average, load_weights(folder / "ema.pt"))
        judges = torch.load(folder / "d.pt", map_location="cpu", weights_only=True)
        self.judges.load_state_dict({name: tensor.float() for name, tensor in judges.items()})

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for module, name in ((self.voice, "g.pt"), (self.average, "ema.pt"),
                             (self.judges, "d.pt")):
            weights = {key: tensor.detach().cpu() for key, tensor in module.state_dict().items()
                       if key not in BUFFERS}
            torch.save(weights, folder / name)

    def mixed_precision(self):
        return torch.autocast(device_type=self.device.type, dtype=torch.bfloat16,
                              enabled=self.device.type == "cuda", cache_enabled=False)

    def step(self, batch, phase, adversarial, ema_decay):
        """One step of both optimizers. `adversarial` is the weight of the judges' opinion."""
        z, losses = self.acoustic_losses(batch)
        made, real = self.vocode_segments(batch, z)
        losses["stft"] = stft_loss(made, real)
        losses["mel"] = mel_loss(made, real)
        total = (phase.duration * losses["duration"] + phase.f0 * losses["f0"]
                 + 0.2 * losses["voicing"] + losses["mel_head"] + 2.0 * losses["stft"]
                 + phase.mel * losses["mel"])
        if phase.adversarial:
            losses["discriminator"] = self.train_judges(made.detach(), real)
            opinion, features = self.ask_judges(made, real)
            losses["adversarial"], losses["features"] = opinion, features
            total = total + (adversarial * (opinion + phase.features * features)
                             / len(self.judges.d))
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        losses["gradient"] = nn.utils.clip_grad_norm_(self.parameters, 5.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_mul_(self.averaged, ema_decay)
            torch._foreach_add_(self.averaged, self.parameters, alpha=1 - ema_decay)
            zero = torch.zeros((), device=self.device)
            self.sums.add_(torch.stack([losses.get(name, zero).detach().float()
                                        for name in LOSSES]))

    def acoustic_losses(self, batch):
        """The decoded frames, and the losses of durations, pitch, voicing and the mel head."""
        acoustic = self.voice.ac
        frames = torch.zeros(batch.log_f0.size(1), device=self.device)
        with self.mixed_precision():
            h, log_duration, _ = acoustic.encode(batch.tokens, batch.token_lengths, batch.speaker)
            z, pitch, _ = acoustic.decode(h, batch.durations, batch.token_lengths, batch.speaker,
                                          batch.frame_lengths, frames)
            mel = acoustic.melh(z)
        tokens = batch.token_mask.float()
        inside = batch.frame_mask.float()
        duration = (log_duration.float() - torch.log1p(batch.durations)).abs() * tokens
        weight = inside * (0.1 + 0.9 * batch.voiced)  # pitch matters little where nobody hears it
        f0 = (acoustic.log_f0(pitch, batch.speaker) - batch.log_f0).abs() * weight
        voicing = F.binary_cross_entropy_with_logits(pitch[:, 1].float(), batch.voiced,
                                                     reduction="none") * inside
        with torch.no_grad():
            target = frame_mel(batch.audio, frames.size(0))
        mel_head = ((mel.float() - target).abs() * inside[:, None]).mean(1)
        return z, {"duration": duration.sum() / tokens.sum(), "f0": f0.sum() / weight.sum(),
                   "voicing": voicing.sum() / inside.sum(),
                   "mel_head": mel_head.sum() / inside.sum()}

    def vocode_segments(self, batch, z):
        """Random pieces of the batch through the vocoder with the teacher's pitch, random phase and
        fresh noise, and the same pieces of the teacher's audio."""
        vocoder, device, count = self.voice.voc, self.device, self.segments
        width, frames = SEGMENT_FRAMES + 2 * MARGIN_FRAMES, z.size(2)
        which = torch.randint(0, z.size(0), (count,), device=device)
        lengths = batch.frame_lengths[which]
        room = (lengths - width).clamp(min=0).float() + 1
        start = (torch.rand(count, device=device) * room).long()
        at = start[:, None] + torch.arange(width, device=device)[None]
        inside = at < lengths[:, None]
        at = at.clamp(max=frames - 1)
        piece = z[which].gather(2, at[:, None].expand(count, z.size(1), width))
        mask = inside[:, None].to(piece.dtype)
        step_mask = mask.repeat_interleave(2, dim=2)
        with torch.no_grad():
            pulses = vocoder.pulses(batch.log_f0[which].gather(1, at), inside.sum(1),
                                    torch.rand(count, device=device))
            spectrum = F.conv1d(pulses, vocoder.an, padding=2)
            noise = F.conv1d(torch.randn(count, CHUNK, 2 * width + 4, device=device), vocoder.an)
        with self.mixed_precision():
            filters = vocoder.filters(piece, spectrum, mask, step_mask)
        made = vocoder.combine(filters.float(), spectrum, noise, step_mask.float())
        made = made[:, MARGIN_FRAMES * HOP:(MARGIN_FRAMES + SEGMENT_FRAMES) * HOP]
        sample = (torch.arange(SEGMENT_FRAMES * HOP, device=device)[None]
                  + (start[:, None] + MARGIN_FRAMES) * HOP)
        real = (batch.audio[which].gather(1, sample.clamp(max=frames * HOP - 1))
                * (sample < frames * HOP))
        return made, real

    def train_judges(self, made, real):
        with self.mixed_precision():
            judged = self.judges(torch.cat([real, made], 0))
        loss = discriminator_loss(judged, real.size(0))
        self.judge_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.judge_parameters, 10.0)
        self.judge_optimizer.step()
        return loss

    def ask_judges(self, made, real):
        for parameter in self.judge_parameters:
            parameter.requires_grad_(False)
        with self.mixed_precision():
            with torch.no_grad():
                judged_real = self.judges(real)
            judged_made = self.judges(made)
        result = generator_losses(judged_made, judged_real)
        for parameter in self.judge_parameters:
            parameter.requires_grad_(True)
        return result


class GraphedStep:
    """The trainer's step for one shape of batch, captured once and then replayed. Capturing takes
    two real steps; the capture itself computes nothing."""

    def __init__(self, trainer, corpus, phase, chosen, tokens, frames, pool):
        self.chosen = torch.from_numpy(chosen).to(corpus.device)

        def step():
            trainer.step(corpus.batch(self.chosen, tokens, frames), phase, phase.adversarial,
                         EMA_DECAY)

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # capture wants a warmed-up step on a stream of its own
            for _ in range(2):
                step()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        trainer.optimizer.zero_grad(set_to_none=True)
        trainer.judge_optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool):
            step()

    def __call__(self, chosen):
        self.chosen.copy_(torch.from_numpy(chosen))
        self.graph.replay()


class Log:
    def __init__(self, trainer):
        self.trainer = trainer
        self.started = self.last = time.monotonic()
        self.steps = 0

    def say(self, *words):
        print(f"[{time.monotonic() - self.started:.1f}]", *words, flush=True)

    def report(self, step, rate):
        """Every ten seconds the mean of each loss since the last report."""
        self.steps += 1
        now = time.monotonic()
        if now - self.last < LOG_SECONDS:
            return
        means = (self.trainer.sums / self.steps).tolist()
        self.say(f"step {step}, rate {rate:.1e}, {self.steps / (now - self.last):.1f} steps/s,",
                 ", ".join(f"{name} {mean:.4f}" for name, mean in zip(LOSSES, means)))
        if not all(map(math.isfinite, means)):
            sys.exit("train: a loss is not finite")
        self.trainer.sums.zero_()
        self.last, self.steps = now, 0


def train_phase(trainer, corpus, sampler, phase, step, log):
    """Runs a phase to its end and returns the number of steps made so far."""
    device = corpus.device
    graphs, pool = {}, None
    first, started = step, time.monotonic()
    while (progress := (time.monotonic() - started) / phase.seconds) < 1:
        warm = min(1.0, (step + 1) / phase.warm_up) if phase.warm_up else 1.0
        rate = phase.rate * warm * half_cosine(progress, phase.end)
        set_rate(trainer.optimizer, rate)
        set_rate(trainer.judge_optimizer,
                 phase.discriminator_rate * warm * half_cosine(progress, 0.1))
        chosen, tokens, frames, shape = sampler.draw()
        if shape is not None and device.type == "cuda":
            if shape not in graphs:
                graphs[shape] = GraphedStep(trainer, corpus, phase, chosen, tokens, frames, pool)
                pool = graphs[shape].graph.pool()
            graphs[shape](chosen)
        else:
            ramp = 1.0
            if phase.adversarial_warm_up:
                ramp = min(1.0, (step - first) / phase.adversarial_warm_up)
            decay = min(EMA_DECAY, (1 + step) / (10 + step)) if shape is None else EMA_DECAY
            batch = corpus.batch(torch.from_numpy(chosen).to(device), tokens, frames)
            trainer.step(batch, phase, phase.adversarial * ramp, decay)
        step += 1
        if step % 8 == 0 and device.type == "cuda":
            torch.cuda.synchronize()  # the clock shall not run ahead of the device
        log.report(step, rate)
    return step


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", choices=sorted(RUNS), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the teacher's shards")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--resume", type=Path, help="folder of the weights to go on with")
    parser.add_argument("--stretch", type=float, default=1, help="longer phases by this factor")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=192, help="channels of the model")
    parser.add_argument("--batch-frames", type=int, default=24000)
    parser.add_argument("--segments", type=int, default=48, help="vocoder examples a step")
    options = parser.parse_args()
    if options.run == "b" and not options.resume:
        parser.error("run b goes on from run a: --resume FOLDER")
    return options


def main():
    options = parse_options()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Good enough for training; a voice that speaks must have it off.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    trainer = Trainer(device, options.width, options.segments)
    if options.resume:
        trainer.resume(options.resume)
    log = Log(trainer)
    corpus = Corpus(sorted(options.data.glob("*.bin")), device)
    log.say(f"{len(corpus.rows)} utterances, {corpus.hours:.2f} h")
    kind = NeighbourSampler if options.run == "a" else BucketSampler
    sampler = kind(corpus, options.batch_frames, rng)
    step = 0
    for phase in RUNS[options.run]:
        stretched = Phase(**{**vars(phase), "seconds": phase.seconds * options.stretch})
        step = train_phase(trainer, corpus, sampler, stretched, step, log)
    trainer.save(options.out)
    log.say(f"{step} steps, weights in {options.out}")


if __name__ == "__main__":
    main()
