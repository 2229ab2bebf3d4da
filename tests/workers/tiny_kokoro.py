"""Writes a folder as Kokoro's is, with random weights and two voices: noise comes out of it. The sizes
are as small as its code allows, whose decoder knows its own alone.

    python3 tiny_kokoro.py FOLDER
"""

import json
import os
import sys

import torch
from kokoro import KModel

CONFIG = {
    "n_token": 178, "hidden_dim": 512, "style_dim": 128, "n_layer": 1, "max_dur": 4, "dropout": 0,
    "n_mels": 80, "text_encoder_kernel_size": 5,
    "plbert": {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32,
               "max_position_embeddings": 512, "num_hidden_layers": 1, "dropout": 0},
    "istftnet": {"upsample_kernel_sizes": [20, 12], "upsample_rates": [10, 6],
                 "gen_istft_hop_size": 5, "gen_istft_n_fft": 20,
                 "resblock_dilation_sizes": [[1, 3, 5]], "resblock_kernel_sizes": [3],
                 "upsample_initial_channel": 512},
    "vocab": {letter: n + 1 for n, letter in enumerate(
        " ;:,.!?abdefhijklmnopqrstuvwxzæçðŋɐɑɒɔəɛɜɡɪɹɾʃʊʌʒʔˈˌːθβɲʎʝAIOQSTWYʣʤʥʦʧʨᵊᵻ")}}


def main(folder):
    torch.manual_seed(1)
    os.makedirs(os.path.join(folder, "voices"), exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(CONFIG, file)
    path = os.path.join(folder, "random.pth")
    torch.save({}, path)
    model = KModel("none", os.path.join(folder, "config.json"), path)
    parts = ("bert", "bert_encoder", "predictor", "text_encoder", "decoder")
    torch.save({name: getattr(model, name).state_dict() for name in parts}, path)
    for name in ("ef_dora", "em_alex"):  # a style for each length
        torch.save(torch.randn(510, 1, 256) * 0.1, os.path.join(folder, "voices", name + ".pt"))


main(*sys.argv[1:])
