"""The voice: a convolutional acoustic model and a source-filter vocoder in one TorchScript module.

Tokens become a hidden sequence and a duration each (`plan`); the sequence is stretched to frames of
10 ms, from which pitch and the vocoder's filters are predicted (`render`). The vocoder filters a
band-limited pulse train and stored noise in the short-time Fourier domain, 5 ms a step.

Shapes: B sentences, T tokens, F frames, C channels. Sequences are [B, C, time]. Masks are 1 inside
a sentence and 0 after it, so that padding never reaches the audio.

Attribute names are keys of the stored weights: changing one breaks every stored voice.
"""

import math
from typing import Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.jit import Final

SAMPLE_RATE = 16000
HOP = 160          # samples a frame: 10 ms
CHUNK = 80         # samples a step of the vocoder: 5 ms, two steps a frame
WINDOW = 400       # samples of the vocoder's analysis window: five chunks
BINS = WINDOW // 2 + 1
NOISE_CHUNKS = 512
MELS = 80
PHONES = 64        # token = phone | flags << 6; see teacher/teacher.c
FLAGS = 4
STARTING_LOG_F0 = (5.14, 4.60, 4.80, 4.50)  # slt, rms, awb, kal16: where pitch starts to learn


def fourier_bases():
    """Short-time Fourier transform and its inverse as kernels of convolutions over chunks.

    The Hann window is applied on both sides; with five-fold overlap its squares add up to 1.875,
    which the inverse divides by, so that the pair reconstructs a signal exactly.
    """
    n = torch.arange(WINDOW, dtype=torch.float64)
    window = 0.5 - 0.5 * torch.cos(2 * math.pi * n / WINDOW)
    k = torch.arange(BINS, dtype=torch.float64)
    angle = 2 * math.pi * k[:, None] * (n[None] - WINDOW // 2) / WINDOW
    basis = torch.cat([torch.cos(angle), -torch.sin(angle)], 0) * window  # [2 BINS, WINDOW]
    analysis = basis.view(2 * BINS, 5, CHUNK).permute(0, 2, 1).contiguous()
    weight = torch.full((BINS, 1), 2.0, dtype=torch.float64)  # bins that stand for two
    weight[0] = 1
    weight[-1] = 1
    inverse = basis * torch.cat([weight, weight], 0) / WINDOW / 1.875
    synthesis = inverse.view(2 * BINS, 5, CHUNK).flip(1).permute(2, 0, 1).contiguous()
    return analysis.float(), synthesis.float()


class Block(nn.Module):
    """A residual block: layer norm, dilated convolution, leaky ReLU, convolution."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.ln = nn.LayerNorm(channels)
        self.c1 = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.c2 = nn.Conv1d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.c2.weight.mul_(0.3)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        h = self.ln(x.transpose(1, 2)).transpose(1, 2) * mask
        h = F.leaky_relu(self.c1(h), 0.1) * mask
        return x + self.c2(h)


class Head(nn.Module):
    """A small predictor on top of a sequence."""

    def __init__(self, channels: int, hidden: int, outputs: int):
        super().__init__()
        self.ln = nn.LayerNorm(channels)
        self.c1 = nn.Conv1d(channels, hidden, 3, padding=1)
        self.c2 = nn.Conv1d(hidden, outputs, 1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        h = self.ln(x.transpose(1, 2)).transpose(1, 2) * mask
        return self.c2(F.leaky_relu(self.c1(h), 0.1))


class Acoustic(nn.Module):
    """From tokens to durations, and from stretched tokens to pitch and the vocoder's input."""

    PHONES: Final[int] = PHONES  # TorchScript sees a module's constants, not the file's
    FLAGS: Final[int] = FLAGS

    def __init__(self, speakers: int, channels: int, encoder: Tuple[int, ...],
                 decoder: Tuple[int, ...]):
        super().__init__()
        self.emb = nn.Embedding(PHONES, channels)
        self.embf = nn.Embedding(FLAGS, channels)
        self.spk = nn.Embedding(speakers, channels)   # speaker, seen by the encoder
        self.spkd = nn.Embedding(speakers, channels)  # speaker, seen by the decoder
        self.f0m = nn.Embedding(speakers, 1)          # the speaker's mean log F0
        with torch.no_grad():
            for table in (self.emb, self.embf, self.spk, self.spkd):
                table.weight.mul_(0.5)
            self.f0m.weight.copy_(torch.tensor(STARTING_LOG_F0)[:speakers, None])
        self.enc = nn.ModuleList([Block(channels, dilation) for dilation in encoder])
        self.dur = Head(channels, 128, 1)
        self.pin = nn.Conv1d(5, channels, 1)          # position of a frame within its token
        self.din = nn.Conv1d(channels, channels, 1)   # encoder to decoder
        self.dec = nn.ModuleList([Block(channels, dilation) for dilation in decoder])
        self.f0h = Head(channels, 96, 2)              # log F0 against the mean, and voicing
        self.melh = nn.Conv1d(channels, MELS, 1)      # mel spectrum, for a training loss only
        with torch.no_grad():
            self.dur.c2.bias.fill_(2.2)

    def encode(self, tokens: torch.Tensor, token_lengths: torch.Tensor, speaker: torch.Tensor
               ) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The hidden sequence [B, C, T], log(1 + frames) [B, T], and the mask [B, T]."""
        position = torch.arange(tokens.size(1), device=tokens.device)
        inside = position.unsqueeze(0) < token_lengths.unsqueeze(1)
        flags = torch.div(tokens, self.PHONES, rounding_mode='floor')
        x = (self.emb(tokens.remainder(self.PHONES)) + self.embf(flags.remainder(self.FLAGS))
             + self.spk(speaker).unsqueeze(1))
        mask = inside.unsqueeze(1).to(x.dtype)
        x = x.transpose(1, 2)
        for block in self.enc:
            x = block(x, mask)
        log_duration = self.dur(x, mask).squeeze(1).float()
        return x, log_duration, inside

    def durations(self, log_duration: torch.Tensor, inside: torch.Tensor, speed: torch.Tensor
                  ) -> torch.Tensor:
        """Durations in frames [B, T]. Ends of tokens are rounded to half frames, so that rounding
        noise of the predictor cannot reach the frames: a sentence comes out the same alone and in a
        padded batch."""
        free = (torch.exp(log_duration.clamp(-1.0, 6.0)) - 1.0).clamp(min=0.5)
        free = free / speed.float().clamp(0.2, 5.0).unsqueeze(1)
        ends = 0.5 * torch.round(2.0 * torch.cumsum(free.double(), 1))
        durations = torch.cat([ends[:, :1], ends[:, 1:] - ends[:, :-1]], 1).float()
        return durations * inside.to(durations.dtype)

    def frame_lengths(self, durations: torch.Tensor) -> torch.Tensor:
        return torch.round(durations.double().sum(1)).long().clamp(min=1)

    def decode(self, h: torch.Tensor, durations: torch.Tensor, token_lengths: torch.Tensor,
               speaker: torch.Tensor, frame_lengths: torch.Tensor, frames: torch.Tensor
               ) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The decoded frames [B, C, F], pitch and voicing [B, 2, F], and the mask [B, 1, F].
        Only the length of `frames` is used: it is F."""
        count = frames.size(0)
        ends = torch.cumsum(durations.double(), 1)
        index = torch.arange(count, device=h.device)
        centre = (index.double() + 0.5).unsqueeze(0).expand(h.size(0), count).contiguous()
        token = torch.searchsorted(ends, centre, right=True)
        token = torch.minimum(token, (token_lengths - 1).unsqueeze(1))
        end = ends.gather(1, token)
        after = (end - centre).float().clamp(0.0, 200.0)    # frames to the token's end
        before = (durations.gather(1, token) - after).clamp(0.0, 200.0)
        place = torch.stack([before / (before + after + 1e-3), torch.log1p(before),
                             torch.log1p(after), 0.2 * before.clamp(max=10.0),
                             0.2 * after.clamp(max=10.0)], 1)
        mask = (index.unsqueeze(0) < frame_lengths.unsqueeze(1)).unsqueeze(1).to(h.dtype)
        x = self.din(h)
        x = x.gather(2, token.unsqueeze(1).expand(x.size(0), x.size(1), count))
        x = x + self.pin(place.to(h.dtype)) + self.spkd(speaker).unsqueeze(2)
        for block in self.dec:
            x = block(x, mask)
        return x, self.f0h(x, mask), mask

    def log_f0(self, pitch: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        """Log of F0 in hertz [B, F], kept within 49 to 545 Hz."""
        return (pitch[:, 0].float() + self.f0m(speaker).float()).clamp(3.9, 6.3)


class Vocoder(nn.Module):
    """A pulse train and noise, each through predicted filters in the short-time Fourier domain."""

    RATE: Final[int] = SAMPLE_RATE
    HOP: Final[int] = HOP
    CHUNK: Final[int] = CHUNK
    BINS: Final[int] = BINS
    NOISE_CHUNKS: Final[int] = NOISE_CHUNKS

    def __init__(self, decoded: int, channels: int, dilations: Tuple[int, ...]):
        super().__init__()
        self.lnz = nn.LayerNorm(decoded)
        self.zin = nn.Conv1d(decoded, 2 * channels, 3, padding=1)  # a frame gives two steps
        self.sin = nn.Conv1d(2 * BINS, channels, 1)                # what the pulses look like
        self.voc = nn.ModuleList([Block(channels, dilation) for dilation in dilations])
        self.lno = nn.LayerNorm(channels)
        self.out = nn.Conv1d(channels, 3 * BINS, 1)  # pulses: log gain, phase; noise: log gain
        with torch.no_grad():
            self.out.weight.mul_(0.3)
            self.out.bias.zero_()
            self.out.bias[:BINS] = -5.0
            self.out.bias[2 * BINS:] = -6.0
        analysis, synthesis = fourier_bases()
        self.register_buffer('an', analysis)
        self.register_buffer('sy', synthesis)
        generator = torch.Generator().manual_seed(1234)
        self.register_buffer('noise', torch.randn(NOISE_CHUNKS, CHUNK, generator=generator))
        self.dv = channels

    def pulses(self, log_f0: torch.Tensor, frame_lengths: torch.Tensor, phase: torch.Tensor
               ) -> torch.Tensor:
        """A band-limited pulse train of unit power [B, CHUNK, 2 F], from `phase` [B] (cycles) on.

        F0 runs in straight lines between the frames' borders, so the phase within a frame is a
        parabola, and the sum of all harmonics below 8 kHz is a Dirichlet kernel of the phase.
        """
        frames = log_f0.size(1)
        index = torch.arange(frames, device=log_f0.device)
        held = torch.minimum(index.unsqueeze(0), (frame_lengths - 1).unsqueeze(1))
        f0 = torch.exp(log_f0.gather(1, held))
        border = torch.cat([f0[:, :1], 0.5 * (f0[:, :-1] + f0[:, 1:]), f0[:, -1:]], 1)
        left = border[:, :-1]
        right = border[:, 1:]
        cycles = (left + right).double() * (0.5 * self.HOP / self.RATE)
        start = torch.cumsum(cycles, 1) - cycles + phase.double().unsqueeze(1)
        start = (start - torch.floor(start)).float().unsqueeze(2)
        t = torch.arange(self.HOP, device=log_f0.device).float()
        at = start + (left.unsqueeze(2) * (t / self.RATE)
                      + (right - left).unsqueeze(2) * (t * t / (2.0 * self.HOP * self.RATE)))
        at = at - torch.round(at)
        harmonics = torch.floor(0.5 * self.RATE / torch.maximum(left, right)).unsqueeze(2)
        order = 2.0 * harmonics + 1.0
        x = math.pi * at
        s = torch.sin(x)
        small = s.abs() < 1e-4
        kernel = torch.where(small, order.expand_as(s),
                             torch.sin(order * x) / torch.where(small, torch.ones_like(s), s))
        pulse = (kernel - 1.0) * torch.sqrt(left / self.RATE).unsqueeze(2)
        pulse = pulse * (index.unsqueeze(0) < frame_lengths.unsqueeze(1)).float().unsqueeze(2)
        return pulse.reshape(pulse.size(0), 2 * frames, self.CHUNK).transpose(1, 2).contiguous()

    def stored_noise(self, frames: int) -> torch.Tensor:
        """The noise table repeated over sentence and margins [1, CHUNK, 2 F + 4]."""
        index = torch.arange(2 * frames + 4, device=self.noise.device).remainder(self.NOISE_CHUNKS)
        return self.noise.index_select(0, index).t().unsqueeze(0).contiguous()

    def filters(self, z: torch.Tensor, spectrum: torch.Tensor, mask: torch.Tensor,
                step_mask: torch.Tensor) -> torch.Tensor:
        """The predicted filters [B, 3 BINS, 2 F]."""
        x = self.zin(self.lnz(z.transpose(1, 2)).transpose(1, 2) * mask)
        batch = x.size(0)
        x = x.reshape(batch, self.dv, 2, x.size(2)).transpose(2, 3)
        x = x.reshape(batch, self.dv, 2 * x.size(2))
        x = x + self.sin(spectrum)
        for block in self.voc:
            x = block(x, step_mask)
        x = self.lno(x.transpose(1, 2)).transpose(1, 2)
        return self.out(x)

    def combine(self, filters: torch.Tensor, spectrum: torch.Tensor, noise: torch.Tensor,
                step_mask: torch.Tensor) -> torch.Tensor:
        """Filtered pulses plus filtered noise, back in time [B, 160 F]."""
        gain = torch.exp(filters[:, :self.BINS].clamp(-12.0, 4.0))
        angle = filters[:, self.BINS:2 * self.BINS]
        noise_gain = torch.exp(filters[:, 2 * self.BINS:].clamp(-12.0, 4.0))
        real = gain * torch.cos(angle)
        imaginary = gain * torch.sin(angle)
        pulse_real = spectrum[:, :self.BINS]
        pulse_imaginary = spectrum[:, self.BINS:]
        out_real = (pulse_real * real - pulse_imaginary * imaginary
                    + noise[:, :self.BINS] * noise_gain)
        out_imaginary = (pulse_real * imaginary + pulse_imaginary * real
                         + noise[:, self.BINS:] * noise_gain)
        chunks = F.conv1d(torch.cat([out_real, out_imaginary], 1) * step_mask, self.sy, padding=2)
        return chunks.transpose(1, 2).reshape(chunks.size(0), chunks.size(2) * self.CHUNK)

    def forward(self, z: torch.Tensor, log_f0: torch.Tensor, frame_lengths: torch.Tensor,
                mask: torch.Tensor) -> torch.Tensor:
        """Runs in the type of its own weights; the pulses always in float32 and float64."""
        kind = self.zin.weight.dtype
        z = z.to(kind)
        kind_mask = mask.to(kind)
        start = torch.zeros_like(log_f0[:, 0])
        spectrum = F.conv1d(self.pulses(log_f0, frame_lengths, start).to(kind), self.an, padding=2)
        noise = F.conv1d(self.stored_noise(z.size(2)), self.an)
        step_mask = kind_mask.repeat_interleave(2, dim=2)
        filters = self.filters(z, spectrum, kind_mask, step_mask)
        audio = self.combine(filters, spectrum, noise, step_mask).float()
        return audio * mask[:, 0].float().repeat_interleave(self.HOP, dim=1)


class Voice(nn.Module):
    """The whole voice; its contract is in configs/voices/default/README.md."""

    HOP: Final[int] = HOP

    def __init__(self, speakers: int = 4, channels: int = 192, vocoder_channels: int = 192,
                 encoder: Tuple[int, ...] = (1, 2, 4, 1),
                 decoder: Tuple[int, ...] = (1, 2, 4, 1, 2, 1),
                 vocoder: Tuple[int, ...] = (1, 2, 4, 1)):
        super().__init__()
        self.ac = Acoustic(speakers, channels, encoder, decoder)
        self.voc = Vocoder(channels, vocoder_channels, vocoder)

    @torch.jit.export
    def plan(self, tokens: torch.Tensor, token_lengths: torch.Tensor, speaker: torch.Tensor,
             speed: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h, log_duration, inside = self.ac.encode(tokens, token_lengths, speaker)
        durations = self.ac.durations(log_duration, inside, speed)
        return h, durations, self.ac.frame_lengths(durations)

    @torch.jit.export
    def render(self, h: torch.Tensor, durations: torch.Tensor, token_lengths: torch.Tensor,
               speaker: torch.Tensor, frame_lengths: torch.Tensor, frames: torch.Tensor
               ) -> torch.Tensor:
        z, pitch, mask = self.ac.decode(h, durations, token_lengths, speaker, frame_lengths, frames)
        return self.voc(z, self.ac.log_f0(pitch, speaker), frame_lengths, mask)

    def forward(self, tokens: torch.Tensor, token_lengths: torch.Tensor, speaker: torch.Tensor,
                speed: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        h, durations, frame_lengths = self.plan(tokens, token_lengths, speaker, speed)
        frames = torch.zeros(int(frame_lengths.max().item()), device=tokens.device)
        audio = self.render(h, durations, token_lengths, speaker, frame_lengths, frames)
        return audio, frame_lengths * self.HOP
