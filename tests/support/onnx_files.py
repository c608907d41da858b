"""Small ONNX models as others export them, each with a known answer: the mean of every colour channel."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, TensorProto, helper, numpy_helper


def mean_colours(
    path: Path,
    *,
    layout: str = "NCHW",
    size: int = 16,
    batch: int | str = "n",
    dtype: int = TensorProto.FLOAT,
    change: Callable[[GraphProto], object] = lambda graph: None,
) -> Path:
    """A model that averages each channel: outputs ``vector`` (n, 3) and ``scores`` = ``vector`` / 255.

    Args:
        path: to write.
        layout: of the input ``pixels``.
        size: its side.
        batch: its first axis.
        dtype: of the input; the outputs share it where it is a float.
        change: made to the graph before it is written.
    """
    shape = [batch, 3, size, size] if layout == "NCHW" else [batch, size, size, 3]
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    floats = (
        dtype if dtype in {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE} else TensorProto.FLOAT
    )
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=floats),
            helper.make_node("ReduceMean", ["floats"], ["vector"], axes=axes, keepdims=0),
            helper.make_node("Mul", ["vector", "scale"], ["scores"]),
        ],
        "means",
        [helper.make_tensor_value_info("pixels", dtype, shape)],
        [helper.make_tensor_value_info(name, floats, [batch, 3]) for name in ("vector", "scores")],
        [numpy_helper.from_array(np.array(1 / 255, helper.tensor_dtype_to_np_dtype(floats)), "scale")],
    )
    change(graph)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def with_text_input(graph: GraphProto) -> None:
    """Put a text input first, and outputs of its own and of both, as exports of a whole CLIP have."""
    text = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", 77])
    pixels = graph.input.pop()
    graph.input.extend([text, pixels])
    graph.node.extend(
        [
            helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["ids"], ["words"], axes=[1], keepdims=1),
            helper.make_node("Mul", ["vector", "words"], ["similarity"]),
        ]
    )
    add_output(graph, "words", ["n", 1])
    add_output(graph, "similarity", ["n", 3])


def with_branch(graph: GraphProto) -> None:
    """Compute ``vector`` inside a branch, which reads the pixels from around it."""
    (mean,) = [node for node in graph.node if node.op_type == "ReduceMean"]
    inside = [
        helper.make_graph(
            [helper.make_node("ReduceMean", ["floats"], [name], axes=[2, 3], keepdims=0)],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        )
        for name in ("inner", "other")
    ]
    graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    mean.CopyFrom(helper.make_node("If", ["yes"], ["vector"], then_branch=inside[0], else_branch=inside[1]))


def with_endless_loop(graph: GraphProto) -> None:
    """Let ``vector`` pass through a loop that never ends."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["again"], ["once_more"]),
            helper.make_node("Identity", ["value"], ["next_value"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("once_more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next_value", TensorProto.FLOAT, None),
        ],
    )
    (mean,) = [node for node in graph.node if node.op_type == "ReduceMean"]
    mean.output[0] = "mean"
    graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    loop = helper.make_node("Loop", ["", "yes", "mean"], ["vector"], body=body)
    graph.node.insert(2, loop)


def add_output(
    graph: GraphProto, name: str, shape: list[int | str] | None, dtype: int = TensorProto.FLOAT
) -> None:
    """Declare a value of the graph as an output."""
    graph.output.append(helper.make_tensor_value_info(name, dtype, shape))


def colour_tags(path: Path) -> Path:
    """A list of three tags for ``scores``, in the form of the WD taggers."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["tag_id", "name", "category", "count"],
                [1, "blue", 0, 9],
                [2, "green", 4, 9],
                [3, "general", 9, 9],
            ]
        )
    return path
