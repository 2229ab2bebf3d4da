"""Writes folders as the models of CosyVoice 1, 2 and 3 are, with tiny random weights: noise comes out
of them, by the same code. Needs CosyVoice's sources and packages.

    python3 tiny_cosyvoice.py SOURCES FOLDER/model

writes FOLDER/model1, FOLDER/model2 and FOLDER/model3.

The text "Unreadable" has a token that the language models of version 2 and 3 have no embedding for.
"""

import json
import os
import shutil
import sys
import wave

import numpy
import onnx
import torch
from hyperpyyaml import load_hyperpyyaml
from onnx import TensorProto, helper, numpy_helper

TEXT_TOKENS = 151643  # of Qwen2; its special tokens follow, and version 3 looks for 151646
EMBEDDED = 151936


def save_onnx(path, nodes, inputs, output, constants):
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(*output)],
        [numpy_helper.from_array(numpy.array(values, dtype), name)
         for name, values, dtype in constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def save_speaker_encoder(path):
    """An embedding of the mean features."""
    weights = numpy.random.RandomState(1).randn(80, 192) * 0.1
    save_onnx(path,
              [helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1], keepdims=0),
               helper.make_node("MatMul", ["mean", "weights"], ["output"])],
              [("input", TensorProto.FLOAT, [1, "frames", 80])],
              ("output", TensorProto.FLOAT, [1, 192]), [("weights", weights, numpy.float32)])


def save_speech_tokenizer(path, frames):
    """A token for so many frames: opened at every start, run where a speaker is a recording."""
    save_onnx(path,
              [helper.make_node("Gather", ["feats", "first"], ["row"], axis=1),
               helper.make_node("Abs", ["row"], ["positive"]),
               helper.make_node("Cast", ["positive"], ["numbers"], to=TensorProto.INT64),
               helper.make_node("Slice", ["numbers", "zero", "end", "one", "frames"], ["some"]),
               helper.make_node("Mul", ["feats_length", "nothing"], ["used"]),
               helper.make_node("Cast", ["used"], ["wide"], to=TensorProto.INT64),
               helper.make_node("Add", ["some", "wide"], ["tokens"])],
              [("feats", TensorProto.FLOAT, [1, 128, "frames_in"]),
               ("feats_length", TensorProto.INT32, [1])],
              ("tokens", TensorProto.INT64, [1, "tokens"]),
              [("first", 0, numpy.int64), ("zero", [0], numpy.int64),
               ("end", [1 << 30], numpy.int64), ("one", [1], numpy.int64),
               ("frames", [frames], numpy.int64), ("nothing", [0], numpy.int32)])


def save_qwen(folder):
    """The language model's skeleton and its tokenizer: a token for each byte, ids as Qwen2's."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2Config, Qwen2ForCausalLM

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = alphabet + ["<unused%d>" % n for n in range(TEXT_TOKENS - len(alphabet))]
    tokenizer = Tokenizer(models.BPE({name: n for n, name in enumerate(vocabulary)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|endofprompt|>"]
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    assert tokenizer.token_to_id("<|endofprompt|>") == 151646
    beyond = ["<beyond%d>" % n for n in range(EMBEDDED - TEXT_TOKENS - len(special))]
    tokenizer.add_tokens(beyond + ["Unreadable"])
    os.makedirs(folder, exist_ok=True)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>",
                   "pad_token": "<|endoftext|>"}, file)
    model = Qwen2ForCausalLM(Qwen2Config(
        vocab_size=EMBEDDED, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True))
    # Qwen2's own are stored so, though CosyVoice's are not.
    model.to(torch.bfloat16).save_pretrained(folder)


def save_recording(path):
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        noise = numpy.random.RandomState(2).randn(24000 * 2) * 3000
        file.writeframes(noise.astype("<i2").tobytes())


def write(folder, version):
    os.makedirs(folder, exist_ok=True)
    name = "cosyvoice%s.yaml" % ("" if version == "1" else version)
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cosyvoice", name), folder)
    torch.manual_seed(1)
    overrides = {}
    if version != "1":
        overrides["qwen_pretrain_path"] = os.path.join(folder, "CosyVoice-BlankEN")
        save_qwen(overrides["qwen_pretrain_path"])
    with open(os.path.join(folder, name)) as file:
        configs = load_hyperpyyaml(file, overrides=overrides)
    if version != "1":
        configs["llm"].float()
        # Random weights choose the end of a sentence about as often as any token: more often, and
        # none of the other tokens that stand for no sound.
        size = configs["llm"].speech_token_size
        weight = configs["llm"].llm_decoder.weight.data
        end = weight[configs["llm"].eos_token] * 3
        weight[size:] = 0
        weight[configs["llm"].eos_token] = end
    for part in ("llm", "flow", "hift"):
        torch.save(configs[part].state_dict(), os.path.join(folder, part + ".pt"))
    styles = {name: {"embedding": torch.randn(1, 192)} for name in ("英文女", "英文男", "中文女")}
    torch.save(styles, os.path.join(folder, "spk2info.pt"))
    save_speaker_encoder(os.path.join(folder, "campplus.onnx"))
    save_speech_tokenizer(os.path.join(folder, "speech_tokenizer_v%s.onnx" % version),
                          2 if version == "1" else 4)
    save_recording(os.path.join(folder, "prompt.wav"))


def main(sources, folders):
    sys.path[:0] = [sources, os.path.join(sources, "third_party", "Matcha-TTS")]
    for version in "123":
        write(folders + version, version)


main(*sys.argv[1:])
