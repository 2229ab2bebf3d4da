"""Writes voice.onnx and voice.onnx.json as Piper's are, with two speakers: a ramp for each phoneme, and
noise where noise_scale is not 0.

    python3 tiny_piper.py FOLDER
"""

import json
import os
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

SAMPLES = 400  # for each phoneme


def main(folder):
    constants = {
        "ramp": numpy.linspace(0, 1, SAMPLES, dtype=numpy.float32).reshape(1, 1, SAMPLES),
        "last": numpy.array([2], numpy.int64), "first": numpy.array(0, numpy.int64),
        "scale": numpy.array(0.005, numpy.float32),
        "step": numpy.array(0.1, numpy.float32), "flat": numpy.array([1, 1, 1, -1], numpy.int64)}
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "scale"], ["levels"]),
        helper.make_node("Unsqueeze", ["levels", "last"], ["column"]),
        helper.make_node("Mul", ["column", "ramp"], ["ramps"]),
        helper.make_node("Cast", ["sid"], ["speaker"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["speaker", "step"], ["offset"]),
        helper.make_node("Add", ["ramps", "offset"], ["spoken"]),
        helper.make_node("Cast", ["input_lengths"], ["used"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["used", "used"], ["nothing"]),
        helper.make_node("Add", ["spoken", "nothing"], ["voiced"]),
        helper.make_node("RandomNormalLike", ["voiced"], ["noise"]),
        helper.make_node("Gather", ["scales", "first"], ["noise_scale"]),
        helper.make_node("Mul", ["noise", "noise_scale"], ["some"]),
        helper.make_node("Add", ["voiced", "some"], ["all"]),
        helper.make_node("Reshape", ["all", "flat"], ["output"])]
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
         helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
         helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
         helper.make_tensor_value_info("sid", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "time"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    model.ir_version = 8
    path = os.path.join(folder, "voice.onnx")
    onnx.save(model, path)
    with open(path + ".json", "w") as file:
        json.dump({"audio": {"sample_rate": 22050}, "espeak": {"voice": "en-us"},
                   "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
                   "num_symbols": 256, "num_speakers": 2,
                   "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
                   "speaker_id_map": {"anna": 0, "bob": 1}}, file)


main(*sys.argv[1:])
