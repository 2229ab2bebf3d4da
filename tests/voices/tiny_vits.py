"""Makes a VITS checkpoint with random weights, as small as it gets: tiny_vits.py FOLDER KIND.

KIND: mms (one speaker, durations drawn), speakers (three, durations predicted), or the tokenizers
that no table stands for: uroman, phonemes.
"""

import json
import os
import sys

import torch
from transformers import VitsConfig, VitsModel, VitsTokenizer

folder, kind = sys.argv[1:]
characters = ["|", *"abcdefghijklmnopqrstuvwxyz", "'", "-", " ", "<unk>"]
config = VitsConfig(
    vocab_size=len(characters), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    ffn_dim=32, flow_size=16, spectrogram_bins=9, duration_predictor_filter_channels=16,
    prior_encoder_num_flows=2, prior_encoder_num_wavenet_layers=2,
    posterior_encoder_num_wavenet_layers=1, wavenet_dilation_rate=2,
    upsample_initial_channel=16, upsample_rates=[8, 4], upsample_kernel_sizes=[16, 8],
    resblock_kernel_sizes=[3, 5], resblock_dilation_sizes=[[1, 3], [1, 3]],
    use_stochastic_duration_prediction=kind != "speakers",
    num_speakers=3 if kind == "speakers" else 1,
    speaker_embedding_size=4 if kind == "speakers" else 0)
torch.manual_seed(1)
model = VitsModel(config).eval()
with torch.no_grad():
    for name, weights in model.named_parameters():
        # Away from what initialization leaves: flows that are the identity, audio that is silence.
        if "flows" in name or "log_scale" in name or "translate" in name:
            weights.add_(torch.randn_like(weights) * 0.1)
        elif name.startswith("decoder"):
            weights.add_(torch.randn_like(weights) * 0.2)
        elif name == "duration_predictor.proj.bias":
            weights.fill_(1.0)
    # As loud as speech, so that nothing is clipped.
    last = model.decoder.conv_post.weight
    last.mul_(1e-3)
    loudest = model(torch.arange(1, 27).unsqueeze(0)).waveform.abs().max()
    last.mul_(0.2 / loudest)
model.save_pretrained(folder)
with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as file:
    json.dump({character: i for i, character in enumerate(characters)}, file)
VitsTokenizer(os.path.join(folder, "vocab.json"), language="en", phonemize=kind == "phonemes",
              is_uroman=kind == "uroman", pad_token="|").save_pretrained(folder)
