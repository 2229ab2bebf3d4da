"""The default voice's `render` in a form that compiles well; `flowtts voice compile` runs it.

The same weights and the same arithmetic as the TorchScript module's `render`, laid out for matrix
units: sequences are [B, time, C], and each convolution is one matrix product over its taps side by
side. Pitch, phase and the pulses stay in float32 and float64 whatever the precision, because an
error of pitch adds up to a drift of phase. The stored noise repeats, so that its spectrum is a
table of one period and a sentence may be of any length.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

RATE = 16000
HOP = 160     # samples a frame
CHUNK = 80    # samples a step of the vocoder, two steps a frame
BINS = 201    # of the short-time Fourier transform, real and imaginary parts apart
TAPS = 5      # chunks that a window spans
DECODER_DILATIONS = (1, 2, 4, 1, 2, 1)
VOCODER_DILATIONS = (1, 2, 4, 1)


def fixed(tensor, dtype):
    return nn.Parameter(tensor.contiguous().to(dtype), requires_grad=False)


def side_by_side(x, count):
    """[B, L + count - 1, C] to [B, L, count C]: each step with those that follow it."""
    length = x.shape[1] - count + 1
    return torch.cat([x[:, i:i + length] for i in range(count)], 2)


class Convolution(nn.Module):
    """A convolution of kernel 1 or 3 as one matrix product."""

    def __init__(self, weights, name, dtype, dilation=1):
        super().__init__()
        weight = weights[name + ".weight"]  # [out, in, kernel]
        self.dilation = dilation
        self.kernel = weight.shape[2]
        self.weight = fixed(weight.permute(2, 1, 0).reshape(-1, weight.shape[0]), dtype)
        self.bias = fixed(weights[name + ".bias"], dtype)

    def forward(self, x):
        batch, length, _ = x.shape
        if self.kernel == 3:
            d = self.dilation
            p = F.pad(x, (0, 0, d, d))
            x = torch.cat([p[:, 0:length], p[:, d:d + length], p[:, 2 * d:2 * d + length]], 2)
        x = torch.addmm(self.bias, x.reshape(batch * length, x.shape[2]), self.weight)
        return x.view(batch, length, x.shape[1])


class Norm(nn.Module):
    """Layer norm over channels."""

    def __init__(self, weights, name, dtype):
        super().__init__()
        self.weight = fixed(weights[name + ".weight"], dtype)
        self.bias = fixed(weights[name + ".bias"], dtype)

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias)


class Block(nn.Module):
    """A residual block: layer norm, dilated convolution, leaky ReLU, convolution."""

    def __init__(self, weights, name, dtype, dilation):
        super().__init__()
        self.norm = Norm(weights, name + ".ln", dtype)
        self.first = Convolution(weights, name + ".c1", dtype, dilation)
        self.second = Convolution(weights, name + ".c2", dtype)

    def forward(self, x, mask):
        return x + self.second(F.leaky_relu(self.first(self.norm(x) * mask), 0.1) * mask)


class Render(nn.Module):
    """render(h, durations, token_lengths, speaker, frame_lengths, frames) -> audio"""

    def __init__(self, weights, dtype):
        super().__init__()
        self.dtype = dtype

        def convolution(name, kind=dtype):
            return Convolution(weights, name, kind)

        def blocks(name, dilations):
            return nn.ModuleList(
                Block(weights, f"{name}.{i}", dtype, d) for i, d in enumerate(dilations))

        self.hidden = convolution("ac.din")
        self.place = convolution("ac.pin")
        self.speaker = fixed(weights["ac.spkd.weight"], dtype)
        self.decoder = blocks("ac.dec", DECODER_DILATIONS)

        self.pitch_norm = Norm(weights, "ac.f0h.ln", dtype)
        self.pitch_first = convolution("ac.f0h.c1")
        self.pitch_second = convolution("ac.f0h.c2", torch.float32)
        self.mean_log_f0 = fixed(weights["ac.f0m.weight"], torch.float32)

        self.frame_norm = Norm(weights, "voc.lnz", dtype)
        self.frame = convolution("voc.zin")
        self.pulse = convolution("voc.sin")
        self.vocoder = blocks("voc.voc", VOCODER_DILATIONS)
        self.filter_norm = Norm(weights, "voc.lno", dtype)
        self.filter = convolution("voc.out")

        analysis, synthesis, noise = (weights["voc." + key] for key in ("an", "sy", "noise"))
        self.analysis = fixed(analysis.permute(2, 1, 0).reshape(TAPS * CHUNK, 2 * BINS), dtype)
        self.synthesis = fixed(synthesis.permute(2, 1, 0).reshape(TAPS * 2 * BINS, CHUNK), dtype)
        period = torch.cat([noise, noise[:TAPS - 1]]).unsqueeze(0)
        period = side_by_side(period, TAPS)[0] @ self.analysis.float()
        self.noise = fixed(period, dtype)  # [period, 2 BINS]

    def forward(self, h, durations, token_lengths, speaker, frame_lengths, frames):
        batch, count = h.shape[0], frames.shape[0]
        index = torch.arange(count, device=h.device)
        inside = (index.unsqueeze(0) < frame_lengths.unsqueeze(1)).unsqueeze(2)
        mask = inside.to(self.dtype)
        step_mask = mask.repeat_interleave(2, 1)

        decoded = self.decode(h, durations, token_lengths, speaker, index, mask)
        pulses = self.pulses(self.log_f0(decoded, speaker, mask), frame_lengths)
        spectrum = self.spectrum(pulses.to(self.dtype))

        z = self.frame(self.frame_norm(decoded) * mask)
        x = z.view(batch, count, z.shape[2] // 2, 2).transpose(2, 3)
        x = x.reshape(batch, 2 * count, z.shape[2] // 2) + self.pulse(spectrum)
        for block in self.vocoder:
            x = block(x, step_mask)
        audio = self.combine(self.filter(self.filter_norm(x)), spectrum, step_mask)
        return audio * inside[:, :, 0].float().repeat_interleave(HOP, 1)

    def decode(self, h, durations, token_lengths, speaker, index, mask):
        """Tokens stretched to frames by their durations, and decoded: [B, F, C]."""
        batch, count = h.shape[0], index.shape[0]
        ends = torch.cumsum(durations.double(), 1)
        centre = (index.double() + 0.5).unsqueeze(0).expand(batch, count).contiguous()
        token = torch.searchsorted(ends, centre, right=True)
        token = torch.minimum(token, (token_lengths - 1).unsqueeze(1))
        after = (ends.gather(1, token) - centre).float().clamp(0.0, 200.0)
        before = (durations.gather(1, token) - after).clamp(0.0, 200.0)
        place = torch.stack([before / (before + after + 1e-3), torch.log1p(before),
                             torch.log1p(after), 0.2 * before.clamp(max=10.0),
                             0.2 * after.clamp(max=10.0)], 2)
        x = self.hidden(h.transpose(1, 2).to(self.dtype))
        x = x.gather(1, token.unsqueeze(2).expand(batch, count, x.shape[2]))
        x = x + self.place(place.to(self.dtype)) + self.speaker[speaker].unsqueeze(1)
        for block in self.decoder:
            x = block(x, mask)
        return x

    def log_f0(self, decoded, speaker, mask):
        """Log of F0 in hertz [B, F], kept within 49 to 545 Hz."""
        pitch = F.leaky_relu(self.pitch_first(self.pitch_norm(decoded) * mask), 0.1)
        pitch = self.pitch_second(pitch.float())[:, :, 0]
        return (pitch + self.mean_log_f0[speaker]).clamp(3.9, 6.3)

    def pulses(self, log_f0, frame_lengths):
        """A band-limited pulse train of unit power [B, 2 F, CHUNK]; the formula is explained in
        voices/recipe/model.py, Vocoder.pulses."""
        batch, count = log_f0.shape
        index = torch.arange(count, device=log_f0.device).unsqueeze(0)
        held = torch.minimum(index, (frame_lengths - 1).unsqueeze(1))
        f0 = torch.exp(log_f0.gather(1, held))
        border = torch.cat([f0[:, :1], 0.5 * (f0[:, :-1] + f0[:, 1:]), f0[:, -1:]], 1)
        left, right = border[:, :-1], border[:, 1:]
        cycles = (left + right).double() * (0.5 * HOP / RATE)
        start = torch.cumsum(cycles, 1) - cycles
        start = (start - torch.floor(start)).float().unsqueeze(2)
        t = torch.arange(HOP, device=log_f0.device).float()
        at = start + (left.unsqueeze(2) * (t / RATE)
                      + (right - left).unsqueeze(2) * (t * t / (2.0 * HOP * RATE)))
        at = at - torch.round(at)
        order = 2.0 * torch.floor(0.5 * RATE / torch.maximum(left, right)).unsqueeze(2) + 1.0
        x = math.pi * at
        sine = torch.sin(x)
        small = sine.abs() < 1e-4
        kernel = torch.where(small, order.expand_as(sine),
                             torch.sin(order * x) / torch.where(small, torch.ones_like(sine), sine))
        pulse = (kernel - 1.0) * torch.sqrt(left / RATE).unsqueeze(2)
        pulse = pulse * (index < frame_lengths.unsqueeze(1)).float().unsqueeze(2)
        return pulse.reshape(batch, 2 * count, CHUNK)

    def spectrum(self, chunks):
        """The short-time Fourier transform of [B, L, CHUNK]: [B, L, 2 BINS]."""
        batch, length, _ = chunks.shape
        windows = side_by_side(F.pad(chunks, (0, 0, 2, 2)), TAPS)
        windows = windows.reshape(batch * length, TAPS * CHUNK)
        return (windows @ self.analysis).view(batch, length, 2 * BINS)

    def combine(self, filters, spectrum, step_mask):
        """Filtered pulses plus filtered noise, back in time: [B, 160 F]."""
        batch, length, _ = filters.shape
        steps = torch.arange(length, device=filters.device).remainder(self.noise.shape[0])
        noise = self.noise[steps].unsqueeze(0)
        gain = torch.exp(filters[:, :, :BINS].clamp(-12.0, 4.0))
        angle = filters[:, :, BINS:2 * BINS]
        noise_gain = torch.exp(filters[:, :, 2 * BINS:].clamp(-12.0, 4.0))
        real, imaginary = gain * torch.cos(angle), gain * torch.sin(angle)
        pulse_real, pulse_imaginary = spectrum[:, :, :BINS], spectrum[:, :, BINS:]
        out = torch.cat([pulse_real * real - pulse_imaginary * imaginary
                         + noise[:, :, :BINS] * noise_gain,
                         pulse_real * imaginary + pulse_imaginary * real
                         + noise[:, :, BINS:] * noise_gain], 2) * step_mask
        windows = side_by_side(F.pad(out, (0, 0, 2, 2)), TAPS)
        windows = windows.reshape(batch * length, TAPS * 2 * BINS)
        return (windows @ self.synthesis).view(batch, length * CHUNK).float()


def example(plan, device):
    """A batch of made-up sentences: the inputs of `render`. As large as batches are in a run, since
    the compiler chooses among its kernels by what is fast for this one."""
    rows, longest = (64, 56) if device.startswith("cuda") else (6, 40)
    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(1, 47, (rows, longest), generator=generator).to(device)
    token_lengths = longest - torch.arange(rows, device=device) * 7 % (longest - 8)
    speaker = torch.arange(rows, device=device) % 4
    h, durations, frame_lengths = plan(tokens, token_lengths, speaker,
                                       torch.ones(rows, device=device))
    frames = torch.zeros(int(frame_lengths.max()), device=device)
    return h, durations, token_lengths, speaker, frame_lengths, frames


def export(model_path, precision, device):
    """What `flowtts voice compile` asks of an exporter.

    model_path: the voice's TorchScript file. precision: "float32", "float16" or "bfloat16".
    device: "cuda:0" or "cpu", where the module and the inputs are to lie.

    Returns the module to compile, example inputs for it (those of the voice's `render`), and
    torch.export's `dynamic_shapes` for them: the batch, the tokens and the frames, the latter up
    to 60 s.
    """
    voice = torch.jit.load(model_path, map_location=device).float().eval()
    weights = voice.state_dict()
    render = Render(weights, getattr(torch, precision)).to(device).eval()
    batch = torch.export.Dim("batch", min=1, max=1024)
    tokens = torch.export.Dim("tokens", min=1, max=2048)
    frames = torch.export.Dim("frames", min=4, max=6000)
    shapes = ({0: batch, 2: tokens}, {0: batch, 1: tokens}, {0: batch}, {0: batch}, {0: batch},
              {0: frames})
    with torch.no_grad():
        return render, example(voice.plan, device), shapes
