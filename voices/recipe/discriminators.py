"""The judges of the adversarial training: five look at a waveform folded by a period, three at
spectra of different resolution. Each returns its verdicts and its intermediate features."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = ((1024, 256), (512, 128), (256, 64))  # FFT size and hop, samples


def judge(layers, last, x):
    features = []
    for layer in layers:
        x = F.leaky_relu(layer(x), 0.1)
        features.append(x)
    x = last(x)
    features.append(x)
    return x.flatten(1), features


class PeriodDiscriminator(nn.Module):
    def __init__(self, period, channels=(1, 24, 96, 256, 384, 384)):
        super().__init__()
        self.period = period
        strides = (3, 3, 3, 3, 1)
        self.cs = nn.ModuleList([
            weight_norm(nn.Conv2d(before, after, (5, 1), (stride, 1), (2, 0)))
            for before, after, stride in zip(channels, channels[1:], strides)])
        self.post = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), 1, (1, 0)))

    def forward(self, audio):
        rest = audio.size(1) % self.period
        if rest:
            audio = F.pad(audio[:, None], (0, self.period - rest), mode="reflect")[:, 0]
        return judge(self.cs, self.post, audio.view(audio.size(0), 1, -1, self.period))


class SpectrumDiscriminator(nn.Module):
    def __init__(self, size, hop, channels=32):
        super().__init__()
        self.size = size
        self.hop = hop
        self.register_buffer("w", torch.hann_window(size))
        shapes = [(1, channels, 9, 2), (channels, channels, 9, 2), (channels, channels, 9, 2),
                  (channels, 2 * channels, 5, 2), (2 * channels, 2 * channels, 3, 1)]
        self.cs = nn.ModuleList([
            weight_norm(nn.Conv2d(before, after, (3, width), (1, stride), (1, width // 2)))
            for before, after, width, stride in shapes])
        self.post = weight_norm(nn.Conv2d(2 * channels, 1, (3, 3), 1, 1))

    def forward(self, audio):
        with torch.autocast(device_type=audio.device.type, enabled=False):
            spectrum = torch.stft(audio.float(), self.size, self.hop, self.size, self.w,
                                  center=True, return_complex=True)
            power = torch.view_as_real(spectrum).square().sum(-1)
            compressed = power.clamp(min=1e-7).pow(0.25)
        x = compressed.transpose(1, 2).unsqueeze(1)  # [B, 1, time, bins]
        return judge(self.cs, self.post, x.contiguous(memory_format=torch.channels_last))


class Discriminators(nn.Module):
    def __init__(self):
        super().__init__()
        self.d = nn.ModuleList([PeriodDiscriminator(period) for period in PERIODS]
                               + [SpectrumDiscriminator(*shape) for shape in RESOLUTIONS])

    def forward(self, audio):
        return [discriminator(audio) for discriminator in self.d]
