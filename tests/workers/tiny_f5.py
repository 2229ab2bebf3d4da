"""Writes a folder with what F5-TTS loads, with tiny random weights: noise comes out of it.

    python3 tiny_f5.py FOLDER
"""

import os
import sys
import wave
from importlib.resources import files

import numpy
import torch
import yaml
from f5_tts.model import CFM, DiT
from f5_tts.model.utils import get_tokenizer
from vocos import Vocos

MEL = {"target_sample_rate": 24000, "n_mel_channels": 100, "hop_length": 256, "win_length": 1024,
       "n_fft": 1024, "mel_spec_type": "vocos"}
ARCH = {"dim": 32, "depth": 1, "heads": 2, "dim_head": 16, "ff_mult": 1, "text_dim": 16, "conv_layers": 1}
VOCODER = {
    "feature_extractor": {"class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
                          "init_args": {"sample_rate": 24000, "n_fft": 1024, "hop_length": 256,
                                        "n_mels": 100, "padding": "center"}},
    "backbone": {"class_path": "vocos.models.VocosBackbone",
                 "init_args": {"input_channels": 100, "dim": 32, "intermediate_dim": 32, "num_layers": 1}},
    "head": {"class_path": "vocos.heads.ISTFTHead",
             "init_args": {"dim": 32, "n_fft": 1024, "hop_length": 256, "padding": "center"}}}


def main(folder):
    torch.manual_seed(1)
    os.makedirs(os.path.join(folder, "vocos"), exist_ok=True)
    with open(os.path.join(folder, "tiny.yaml"), "w") as file:
        yaml.safe_dump({"model": {"backbone": "DiT", "arch": ARCH, "mel_spec": MEL}}, file)
    vocabulary, size = get_tokenizer(str(files("f5_tts").joinpath("infer/examples/vocab.txt")), "custom")
    model = CFM(transformer=DiT(**ARCH, text_num_embeds=size, mel_dim=100), mel_spec_kwargs=MEL,
                vocab_char_map=vocabulary)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    torch.save({"ema_model_state_dict": {"ema_model." + name: weight
                                         for name, weight in model.state_dict().items()}},
               os.path.join(folder, "model.pt"))
    path = os.path.join(folder, "vocos", "config.yaml")
    with open(path, "w") as file:
        yaml.safe_dump(VOCODER, file)
    torch.save(Vocos.from_hparams(path).state_dict(), os.path.join(folder, "vocos", "pytorch_model.bin"))
    with wave.open(os.path.join(folder, "prompt.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes((numpy.random.RandomState(2).randn(48000) * 3000).astype("<i2").tobytes())


main(*sys.argv[1:])
