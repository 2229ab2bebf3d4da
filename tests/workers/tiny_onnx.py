"""Writes a tiny ONNX voice: four samples for each token, its hundredth, and the speaker's thousandth
added. With a `length_scale` of 2 the samples are halved, so that the test sees it.

    python3 tiny_onnx.py FILE
"""

import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def constant(name, values, dtype):
    return numpy_helper.from_array(numpy.array(values, dtype), name)


nodes = [
    helper.make_node("Cast", ["input"], ["floats"], to=TensorProto.FLOAT),
    helper.make_node("Mul", ["floats", "hundredth"], ["small"]),
    helper.make_node("Cast", ["sid"], ["sid_floats"], to=TensorProto.FLOAT),
    helper.make_node("Mul", ["sid_floats", "thousandth"], ["sid_small"]),
    helper.make_node("Unsqueeze", ["sid_small", "axis"], ["sid_column"]),
    helper.make_node("Add", ["small", "sid_column"], ["values"]),
    helper.make_node("Gather", ["scales", "second"], ["length_scale"]),
    helper.make_node("Div", ["values", "length_scale"], ["scaled"]),
    helper.make_node("Unsqueeze", ["scaled", "last"], ["column"]),
    helper.make_node("Tile", ["column", "four_times"], ["tiled"]),
    helper.make_node("Reshape", ["tiled", "shape"], ["output"]),
    helper.make_node("Mul", ["input_lengths", "four"], ["output_lengths"]),
]
graph = helper.make_graph(
    nodes, "tiny",
    [helper.make_tensor_value_info("input", TensorProto.INT64, ["batch", "tokens"]),
     helper.make_tensor_value_info("input_lengths", TensorProto.INT64, ["batch"]),
     helper.make_tensor_value_info("scales", TensorProto.FLOAT, [2]),
     helper.make_tensor_value_info("sid", TensorProto.INT64, ["batch"])],
    [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 1, "samples"]),
     helper.make_tensor_value_info("output_lengths", TensorProto.INT64, ["batch"])],
    [constant("hundredth", 0.01, numpy.float32), constant("thousandth", 0.001, numpy.float32),
     constant("axis", [1], numpy.int64), constant("last", [2], numpy.int64),
     constant("second", 1, numpy.int64), constant("four_times", [1, 1, 4], numpy.int64),
     constant("four", 4, numpy.int64), constant("shape", [0, 1, -1], numpy.int64)])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
model.ir_version = 8
onnx.checker.check_model(model)
onnx.save(model, sys.argv[1])
