"""Holds an exported VITS voice against the VitsModel that it was made of: check_vits.py CHECKPOINT
VOICE_FOLDER QUIET_FOLDER [DEVICE], the quiet one of the same checkpoint with both noise scales at 0."""

import os
import sys

import torch
from transformers import VitsModel, VitsTokenizer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "voices"))
from vits import draw_normal  # noqa: E402

checkpoint, voice_folder, quiet_folder, device = (sys.argv[1:] + ["cpu"])[:4]
torch.set_default_device(device)
torch.backends.cudnn.allow_tf32 = False
TEXTS = ["a cab", "the quick brown fox jumps over the lazy dog", "hello there", "o"]


def speak(module, rows, seeds, speakers, speed=1.0, pad=0):
    """Each row's audio, of one batch that is padded by `pad` tokens and frames."""
    lengths = torch.tensor([len(row) for row in rows])
    longest = int(lengths.max()) + pad
    tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    speaker = torch.tensor(speakers)
    h, durations, frames = module.plan(tokens, lengths, speaker,
                                       torch.full([len(rows)], speed), torch.tensor(seeds))
    inside = torch.arange(longest) < lengths[:, None]
    h, durations = h * inside[:, None], durations * inside  # as FlowTTS hands them on
    room = torch.zeros(int(frames.max()) + pad)
    audio = module.render(h, durations, lengths, speaker, frames, room)
    assert audio.shape[1] % room.numel() == 0, audio.shape
    hop = audio.shape[1] // room.numel()
    return [row[:count * hop] for row, count in zip(audio, frames.tolist())]


def near(found, wanted, what):
    assert found.shape == wanted.shape, (what, found.shape, wanted.shape)
    level = wanted.pow(2).mean().sqrt()
    difference = (found - wanted).abs().max()
    assert level > 1e-3, f"{what}: silence tells nothing"
    assert difference < 1e-3 * level, f"{what}: {difference:.2e} apart, level {level:.2e}"
    return float(difference / level)


def compare_noise(checkpoint, voice, rows, seeds, speakers):
    """VitsModel given the very noise that the voice draws says the same."""
    model = VitsModel.from_pretrained(checkpoint).eval().to(device)
    randn, randn_like = torch.randn, torch.randn_like
    worst = 0.0
    for row, seed, speaker in zip(rows, seeds, speakers):
        drawn = torch.tensor([seed])
        torch.randn = lambda batch, channels, length: draw_normal(drawn, 1, channels, length)
        torch.randn_like = lambda like: draw_normal(drawn, 2, like.size(1), like.size(2))
        try:
            wanted = model(torch.tensor([row]), speaker_id=speaker).waveform[0]
        finally:
            torch.randn, torch.randn_like = randn, randn_like
        [alone] = speak(voice, [row], [seed], [speaker])
        worst = max(worst, near(alone, wanted, "VitsModel with the same noise"))
    return worst


def check_noise():
    """The noise is Gaussian, its own for each seed and stream, and the same whatever the padding."""
    seeds = torch.tensor([0, 1, 1 << 32, (1 << 63) - 1])
    noise = torch.cat([draw_normal(seeds, 1, 16, 4000), draw_normal(seeds, 2, 16, 4000)])
    assert torch.equal(noise[:4, :, :100], draw_normal(seeds, 1, 16, 100))
    rows = noise.reshape(8, -1).double()
    assert (rows.mean(1).abs() < 0.02).all(), rows.mean(1)
    assert ((rows.var(1) - 1).abs() < 0.03).all(), rows.var(1)
    assert ((rows.pow(4).mean(1) - 3).abs() < 0.2).all(), rows.pow(4).mean(1)
    related = torch.corrcoef(rows) - torch.eye(8)
    assert (related.abs() < 0.02).all(), related
    steps = torch.stack([(rows[:, step:] * rows[:, :-step]).mean(1) for step in (1, 2, 4000)])
    assert (steps.abs() < 0.02).all(), steps


def main():
    check_noise()
    tokenizer = VitsTokenizer.from_pretrained(checkpoint)
    model = VitsModel.from_pretrained(checkpoint).eval().to(device)
    voice = torch.jit.load(voice_folder + "/voice.pt", map_location=device)
    quiet = torch.jit.load(quiet_folder + "/voice.pt", map_location=device)
    rows = [tokenizer(text)["input_ids"] for text in TEXTS]
    speakers = [i % max(1, model.config.num_speakers) for i in range(len(rows))]
    seeds = [5, (1 << 63) - 1, 5, 77]
    worst = 0.0

    model.noise_scale = model.noise_scale_duration = 0.0
    for speed in (1.0, 1.6):
        model.speaking_rate = speed
        batch = speak(quiet, rows, seeds, speakers, speed, pad=7)
        for row, speaker, together in zip(rows, speakers, batch):
            wanted = model(torch.tensor([row]), speaker_id=speaker).waveform[0]
            [alone] = speak(quiet, [row], [1], [speaker], speed)
            worst = max(worst, near(alone, wanted, "alone and VitsModel"),
                        near(together, wanted, "in a batch and VitsModel"))

    worst = max(worst, compare_noise(checkpoint, voice, rows, seeds, speakers))
    state = torch.get_rng_state()
    batch = speak(voice, rows, seeds, speakers, pad=5)
    for row, speaker, seed, together in zip(rows, speakers, seeds, batch):
        [alone] = speak(voice, [row], [seed], [speaker])
        worst = max(worst, near(together, alone, "in a batch and alone"))
        assert torch.equal(alone, speak(voice, [row], [seed], [speaker])[0]), "not repeatable"
        [other] = speak(voice, [row], [seed ^ (1 << 40)], [speaker])
        assert other.shape != alone.shape or not torch.equal(other, alone), "the seed is unheard"
    assert torch.equal(torch.get_rng_state(), state), "drawn from torch's own generator"
    print(f"largest difference {worst:.1e} of the level")


with torch.no_grad():
    main()
