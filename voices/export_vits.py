#!/usr/bin/env python3
"""Makes a FlowTTS voice of a VITS or MMS-TTS checkpoint.

CHECKPOINT is a folder as transformers' `save_pretrained` writes it, or a name that `from_pretrained`
finds. VOICE is the YAML file to write; the model and the tokenizer's table go into a folder beside
it that has its name. Needs torch and transformers.
"""

import argparse
import hashlib
import json
import math
import os
import sys

import torch
from transformers import VitsModel, VitsTokenizer

from vits import Voice


class Refused(Exception):
    """Ends the call with a message."""


WORKER = ("Speak with it through a worker instead (docs/workers.md): front_end: {type: text} in the "
          "voice file, and in the worker its own tokenizer before the model")


def check_tokenizer(tokenizer):
    """Refuses what is no table of characters."""
    if tokenizer.phonemize:
        raise Refused(f"the tokenizer makes phonemes with espeak, which is no table of characters. "
                      f"{WORKER}")
    if tokenizer.is_uroman:
        raise Refused(f"the tokenizer writes the text in Roman letters with uroman first, which is "
                      f"no table of characters. {WORKER}")


def check_model(config):
    for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes):
        if (kernel - rate) % 2:
            raise Refused(f"an upsampler has the kernel size {kernel} and the rate {rate}: with an "
                          f"odd difference its frames are not of one length")


def fold_weight_norm(model):
    """Makes plain weights of normed ones; they are the same at each call."""
    parametrize = torch.nn.utils.parametrize
    for module in model.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
        elif hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)


def write_text(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def quoted(text):
    return json.dumps(text, ensure_ascii=False)  # which YAML reads as well


def voice_text(name, model, tokenizer, options, speakers, files):
    config = model.config
    language = options.language or tokenizer.language
    lines = ["flowtts_voice: 1",
             f"name: {quoted(name)}",
             "format: torchscript",
             f"model: {quoted(files[0])}",
             f"sample_rate: {config.sampling_rate}",
             f"hop: {math.prod(config.upsample_rates)}"]
    if language:
        lines.append(f"languages: [{quoted(language)}]")
    lines += [f"front_end: {{type: characters, table: {quoted(files[1])}, "
              f"add_blank: {str(tokenizer.add_blank).lower()}, "
              f"lower: {str(tokenizer.normalize).lower()}}}",
              f"speakers: [{', '.join(map(quoted, speakers))}]",
              "parts: {plan: plan, render: render}",
              "sha256:"]
    folder = os.path.dirname(os.path.abspath(options.voice))
    lines += [f"  {quoted(file)}: {sha256(os.path.join(folder, file))}" for file in files]
    return "\n".join(lines) + "\n"


def speaker_names(config, given):
    count = max(1, config.num_speakers)
    names = given.split(",") if given else [f"speaker{i}" for i in range(count)]
    if len(names) != count:
        raise Refused(f"--speakers has {len(names)} names, and the model {count} speakers")
    return names


def export(options):
    tokenizer = VitsTokenizer.from_pretrained(options.checkpoint)
    check_tokenizer(tokenizer)
    model = VitsModel.from_pretrained(options.checkpoint).float().eval().requires_grad_(False)
    check_model(model.config)
    speakers = speaker_names(model.config, options.speakers)
    fold_weight_norm(model)

    folder, file = os.path.split(os.path.abspath(options.voice))
    name = os.path.splitext(file)[0]
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    files = [f"{name}/voice.pt", f"{name}/vocab.json"]
    torch.jit.script(Voice(model).eval()).save(os.path.join(folder, files[0]))
    write_text(os.path.join(folder, files[1]),
               json.dumps(tokenizer.encoder, ensure_ascii=False, indent=0) + "\n")
    write_text(options.voice, voice_text(name, model, tokenizer, options, speakers, files))
    print(f"{options.voice}: {model.config.sampling_rate} Hz, speakers {', '.join(speakers)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    parser.add_argument("voice", metavar="VOICE", help="the file to write: configs/voices/mine.yaml")
    parser.add_argument("--speakers", metavar="A,B", help="names for the model's speaker ids")
    parser.add_argument("--language", help="what it speaks: en; the tokenizer's own by default")
    options = parser.parse_args()
    try:
        export(options)
    except (Refused, OSError) as problem:
        sys.exit(f"export_vits: {options.checkpoint}: {problem}")


if __name__ == "__main__":
    main()
