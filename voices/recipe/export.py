#!/usr/bin/env python3
"""Turns trained weights into the TorchScript file that a voice's YAML file names.

WEIGHTS is ema.pt of a training run, or a voice of the same shape, whose weights are taken over.
"""

import argparse
import os

import torch

from model import Voice

BUFFERS = {"voc.an", "voc.sy", "voc.noise"}  # computed, not trained


def load_weights(path):
    """Named float32 tensors of a checkpoint or of a TorchScript voice."""
    try:
        weights = torch.jit.load(path, map_location="cpu").state_dict()
    except RuntimeError:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.float() for name, tensor in weights.items() if name not in BUFFERS}


def fill(voice, weights):
    """Takes the weights over; anything missing or left over is an error."""
    missing, unexpected = voice.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - BUFFERS:
        raise ValueError(f"weights do not fit: missing {sorted(set(missing) - BUFFERS)}, "
                         f"unexpected {sorted(unexpected)}")
    return voice


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", metavar="WEIGHTS")
    parser.add_argument("out", metavar="OUT", help="the file to write, such as voice.pt")
    parser.add_argument("--float32", action="store_true", help="do not store in half precision")
    options = parser.parse_args()
    voice = fill(Voice(), load_weights(options.weights)).eval().requires_grad_(False)
    if not options.float32:
        voice = voice.half()
    torch.jit.script(voice).save(options.out)
    print(f"{options.out}: {os.path.getsize(options.out)} bytes")


if __name__ == "__main__":
    main()
