"""What the training compares: spectra of several resolutions, and the verdicts of the judges."""

import functools

import numpy as np
import torch
import torch.nn.functional as F

from model import HOP, MELS, SAMPLE_RATE


@functools.cache
def hann(length, device):
    return torch.hann_window(length, device=device)


@functools.cache
def mel_bank(size, mels, device):
    """Triangles on the mel scale m = 2595 log10(1 + f / 700), up to half the sample rate."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    frequencies = np.arange(size // 2 + 1) * SAMPLE_RATE / size
    bank = np.zeros((mels, len(frequencies)), np.float32)
    for i, (low, centre, high) in enumerate(zip(corners, corners[1:], corners[2:])):
        rising = (frequencies - low) / max(centre - low, 1e-6)
        falling = (high - frequencies) / max(high - centre, 1e-6)
        bank[i] = np.maximum(0, np.minimum(rising, falling))
    return torch.from_numpy(bank).to(device)


def magnitudes(audio, size, hop, window):
    spectrum = torch.stft(audio, size, hop, window, hann(window, audio.device), center=True,
                          return_complex=True)
    return torch.view_as_real(spectrum).square().sum(-1).clamp(min=1e-9).sqrt()


def log_mel(audio, size, hop, window, mels):
    mel = torch.matmul(mel_bank(size, mels, audio.device), magnitudes(audio, size, hop, window))
    return torch.log(mel.clamp(min=1e-4))


def frame_mel(audio, frames):
    """The log mel spectrum with frame k centred on sample 160 k + 80."""
    shifted = F.pad(audio, (0, HOP // 2))[:, HOP // 2:]
    return log_mel(shifted, 1024, HOP, 640, MELS)[:, :, :frames]


def stft_loss(made, real):
    """Relative distance of magnitudes plus distance of their logarithms, four resolutions."""
    loss = 0.0
    for size, hop, window in ((1024, 200, 1024), (512, 100, 512), (256, 50, 240), (128, 25, 100)):
        a, b = magnitudes(made, size, hop, window), magnitudes(real, size, hop, window)
        distance = (b - a).pow(2).sum((1, 2)).sqrt() / (b.pow(2).sum((1, 2)).sqrt() + 0.5)
        loss = loss + distance.mean() + (torch.log(a + 1e-3) - torch.log(b + 1e-3)).abs().mean()
    return loss / 4


def mel_loss(made, real):
    loss = 0.0
    for size, window, mels in ((1024, 1024, 80), (512, 400, 64), (256, 160, 32)):
        a = log_mel(made, size, window // 4, window, mels)
        b = log_mel(real, size, window // 4, window, mels)
        loss = loss + (a - b).abs().mean()
    return loss / 3


def discriminator_loss(judged, real_count):
    """Least squares: the first `real_count` of the batch are real (1), the rest made (0)."""
    loss = 0.0
    for verdict, _ in judged:
        verdict = verdict.float()
        loss = (loss + (verdict[:real_count] - 1).pow(2).mean()
                + verdict[real_count:].pow(2).mean())
    return loss


def generator_losses(judged_made, judged_real):
    """How far the made audio is from passing as real, and its features from the real ones'."""
    adversarial = features = 0.0
    for (verdict, made), (_, real) in zip(judged_made, judged_real):
        adversarial = adversarial + (verdict.float() - 1).pow(2).mean()
        pairs = list(zip(made[:-1], real[:-1]))
        features = features + sum(
            (a.float() - b.float()).abs().mean() / (b.float().abs().mean() + 1e-3)
            for a, b in pairs) / len(pairs)
    return adversarial, features
