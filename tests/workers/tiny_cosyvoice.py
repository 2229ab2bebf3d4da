"""Writes a folder as CosyVoice 1's models are, with tiny random weights: noise comes out of it, by the
same code. Needs CosyVoice's sources and packages.

    python3 tiny_cosyvoice.py SOURCES FOLDER
"""

import os
import sys
import wave

import numpy
import onnx
import torch
from hyperpyyaml import load_hyperpyyaml
from onnx import TensorProto, helper, numpy_helper

YAML = """
__set_seed1: !apply:random.seed [1986]
__set_seed2: !apply:numpy.random.seed [1986]
__set_seed3: !apply:torch.manual_seed [1986]
sample_rate: 22050
llm: !new:cosyvoice.llm.llm.TransformerLM
    text_encoder_input_size: 32
    llm_input_size: 32
    llm_output_size: 32
    text_token_size: 51866
    speech_token_size: 64
    length_normalized_loss: True
    lsm_weight: 0
    spk_embed_dim: 192
    text_encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        input_size: 32
        output_size: 32
        attention_heads: 2
        linear_units: 32
        num_blocks: 1
        input_layer: linear
        pos_enc_layer_type: rel_pos_espnet
        selfattention_layer_type: rel_selfattn
        use_cnn_module: False
        macaron_style: False
        static_chunk_size: 1
    llm: !new:cosyvoice.transformer.encoder.TransformerEncoder
        input_size: 32
        output_size: 32
        attention_heads: 2
        linear_units: 32
        num_blocks: 1
        input_layer: linear_legacy
        pos_enc_layer_type: rel_pos_espnet
        selfattention_layer_type: rel_selfattn
        static_chunk_size: 1
    sampling: !name:cosyvoice.utils.common.ras_sampling
        top_p: 0.8
        top_k: 25
        win_size: 10
        tau_r: 0.1
flow: !new:cosyvoice.flow.flow.MaskedDiffWithXvec
    input_size: 32
    output_size: 80
    spk_embed_dim: 192
    output_type: mel
    vocab_size: 64
    input_frame_rate: 50
    only_mask_loss: True
    encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        output_size: 32
        attention_heads: 2
        linear_units: 32
        num_blocks: 1
        input_layer: linear
        pos_enc_layer_type: rel_pos_espnet
        selfattention_layer_type: rel_selfattn
        input_size: 32
        use_cnn_module: False
        macaron_style: False
    length_regulator: !new:cosyvoice.flow.length_regulator.InterpolateRegulator
        channels: 80
        sampling_ratios: [1, 1, 1, 1]
    decoder: !new:cosyvoice.flow.flow_matching.ConditionalCFM
        in_channels: 240
        n_spks: 1
        spk_emb_dim: 80
        cfm_params: !new:omegaconf.DictConfig
            content:
                sigma_min: 1e-06
                solver: euler
                t_scheduler: cosine
                training_cfg_rate: 0.2
                inference_cfg_rate: 0.7
                reg_loss_type: l1
        estimator: !new:cosyvoice.flow.decoder.ConditionalDecoder
            in_channels: 320
            out_channels: 80
            channels: [16, 16]
            dropout: 0.0
            attention_head_dim: 8
            n_blocks: 1
            num_mid_blocks: 1
            num_heads: 2
            act_fn: gelu
hift: !new:cosyvoice.hifigan.generator.HiFTGenerator
    in_channels: 80
    base_channels: 32
    nb_harmonics: 8
    sampling_rate: !ref <sample_rate>
    nsf_alpha: 0.1
    nsf_sigma: 0.003
    nsf_voiced_threshold: 10
    upsample_rates: [8, 8]
    upsample_kernel_sizes: [16, 16]
    istft_params: {n_fft: 16, hop_len: 4}
    resblock_kernel_sizes: [3, 7, 11]
    resblock_dilation_sizes: [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
    source_resblock_kernel_sizes: [7, 11]
    source_resblock_dilation_sizes: [[1, 3, 5], [1, 3, 5]]
    lrelu_slope: 0.1
    audio_limit: 0.99
    f0_predictor: !new:cosyvoice.hifigan.f0_predictor.ConvRNNF0Predictor
        num_class: 1
        in_channels: 80
        cond_channels: 16
get_tokenizer: !name:whisper.tokenizer.get_tokenizer
    multilingual: True
    num_languages: 100
    language: en
    task: transcribe
allowed_special: all
feat_extractor: !name:matcha.utils.audio.mel_spectrogram
    n_fft: 1024
    num_mels: 80
    sampling_rate: !ref <sample_rate>
    hop_size: 256
    win_size: 1024
    fmin: 0
    fmax: 8000
    center: False
"""


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


def main(sources, folder):
    sys.path[:0] = [sources, os.path.join(sources, "third_party", "Matcha-TTS")]
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "cosyvoice.yaml"), "w") as file:
        file.write(YAML)
    with open(os.path.join(folder, "cosyvoice.yaml")) as file:
        configs = load_hyperpyyaml(file)
    for part in ("llm", "flow", "hift"):
        torch.save(configs[part].state_dict(), os.path.join(folder, part + ".pt"))
    styles = {name: {"embedding": torch.randn(1, 192)} for name in ("英文女", "英文男", "中文女")}
    torch.save(styles, os.path.join(folder, "spk2info.pt"))
    # An embedding of the mean features, and a token for each second frame: opened at every start,
    # run where a speaker is a recording.
    weights = numpy.random.RandomState(1).randn(80, 192) * 0.1
    save_onnx(os.path.join(folder, "campplus.onnx"),
              [helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1], keepdims=0),
               helper.make_node("MatMul", ["mean", "weights"], ["output"])],
              [("input", TensorProto.FLOAT, [1, "frames", 80])],
              ("output", TensorProto.FLOAT, [1, 192]), [("weights", weights, numpy.float32)])
    save_onnx(os.path.join(folder, "speech_tokenizer_v1.onnx"),
              [helper.make_node("Gather", ["feats", "first"], ["row"], axis=1),
               helper.make_node("Abs", ["row"], ["positive"]),
               helper.make_node("Cast", ["positive"], ["numbers"], to=TensorProto.INT64),
               helper.make_node("Slice", ["numbers", "zero", "end", "one", "two"], ["half"]),
               helper.make_node("Mul", ["feats_length", "nothing"], ["used"]),
               helper.make_node("Cast", ["used"], ["wide"], to=TensorProto.INT64),
               helper.make_node("Add", ["half", "wide"], ["tokens"])],
              [("feats", TensorProto.FLOAT, [1, 128, "frames"]),
               ("feats_length", TensorProto.INT32, [1])],
              ("tokens", TensorProto.INT64, [1, "tokens"]),
              [("first", 0, numpy.int64), ("zero", [0], numpy.int64),
               ("end", [1 << 30], numpy.int64), ("one", [1], numpy.int64),
               ("two", [2], numpy.int64), ("nothing", [0], numpy.int32)])
    with wave.open(os.path.join(folder, "prompt.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        noise = numpy.random.RandomState(2).randn(24000 * 2) * 3000
        file.writeframes(noise.astype("<i2").tobytes())


main(*sys.argv[1:])
