"""Runs the head and the tags of `lite` in ONNX Runtime.

NumPy's BLAS lets its threads spin after a product: they would take the cores from the trunk and the decoders
for a third of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.networks.layers import ONNX_IR_VERSION, ONNX_OPSET
from i2v_search.encoders.networks.runtime import onnx_session

if TYPE_CHECKING:
    from i2v_search.encoders.lite_head import LiteHead
    from i2v_search.encoders.lite_tags import LiteTags

#: Rows of one run, always as many: the last digits of a product depend on how many rows it has, and a vector
#: must not depend on the batch it is in. Fewer would read the weights more often for each image.
ROWS = 16


class HeadRuntime:
    """Computes what `LiteHead.vectors` and `LiteTags.probabilities` do.

    Args:
        head: its arrays.
        tags: theirs.
        threads: how many work; None takes every core.
    """

    def __init__(self, head: LiteHead, tags: LiteTags, threads: int | None = None) -> None:
        self._session = onnx_session(head_model(head, tags), threads=threads)
        self._size = len(head.mean)

    def run(self, statistics: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, s) normalised statistics -> (n, 4096) vectors and (n, t) probabilities, float32."""
        count = len(statistics)
        padded = np.zeros((-(-count // ROWS) * ROWS, self._size), np.float32)
        padded[:count] = statistics
        parts = [
            self._session.run(None, {"statistics": padded[start : start + ROWS]})
            for start in range(0, len(padded), ROWS)
        ]
        vectors, tags = (np.concatenate(columns)[:count] for columns in zip(*parts, strict=True))
        return vectors, tags


def head_model(head: LiteHead, tags: LiteTags) -> bytes:
    """Head and tags as an ONNX graph: ``statistics`` (16, s) -> ``vectors`` (16, 4096), ``tags`` (16, t)."""
    from onnx import TensorProto, helper, numpy_helper

    width = tags.weight.shape[1] - len(head.code_bias)
    last = len(tags.attributes)
    constants: dict[str, NDArray[Any]] = {
        name: getattr(head, name) for name in ("mean", "basis", "code_weight", "code_bias", "code_mean")
    }
    constants |= {"geometry_scale": head.geometry_scale, "code_scale": head.code_scale}
    constants |= {name: getattr(tags, name) for name in ("weight", "bias", "centres", "near", "distrust")}
    constants |= {
        "half_squares": -tags.half_squares,
        "one": np.ones(1, np.float32),
        "two": np.full(1, 2, np.float32),
    }
    constants |= {"start": np.array([0]), "stop": np.array([width]), "axis": np.array([1])}
    constants |= {"last": np.array([last]), "end": np.array([last + 1]), "free": ~tags.attributes}
    node = helper.make_node
    nodes = [
        node("Sub", ["statistics", "mean"], ["centred"]),
        node("Gemm", ["centred", "basis"], ["whitened"], transB=1),
        node("Gemm", ["whitened", "code_weight", "code_bias"], ["logits"], transB=1),
        node("Sigmoid", ["logits"], ["units"]),
        node("Sub", ["units", "code_mean"], ["code"]),
        node("Mul", ["code", "code_scale"], ["scaled_code"]),
        node("Slice", ["centred", "start", "stop", "axis"], ["geometry"]),
        node("Mul", ["geometry", "geometry_scale"], ["scaled_geometry"]),
        node("Concat", ["scaled_geometry", "scaled_code"], ["vectors"], axis=1),
        node("LpNormalization", ["vectors"], ["rows"], axis=1, p=2),
        node("Gemm", ["rows", "centres", "half_squares"], ["products"], transB=1),
        node("ReduceMax", ["products"], ["product"], axes=[1], keepdims=1),
        node("Mul", ["product", "two"], ["nearness"]),
        node("Sub", ["one", "nearness"], ["distance"]),
        node("Sub", ["distance", "near"], ["beyond"]),
        node("Relu", ["beyond"], ["far"]),
        node("Mul", ["far", "distrust"], ["doubt"]),
        node("Gemm", ["rows", "weight", "bias"], ["tag_logits"], transB=1),
        node("Sub", ["tag_logits", "doubt"], ["doubted"]),
        node("Sigmoid", ["doubted"], ["found"]),
        node("Slice", ["found", "start", "last", "axis"], ["if_somebody"]),
        node("Slice", ["found", "last", "end", "axis"], ["somebody"]),
        node("Where", ["free", "one", "somebody"], ["possible"]),
        node("Mul", ["if_somebody", "possible"], ["tags"]),
    ]
    graph = helper.make_graph(
        nodes,
        "lite-head",
        [helper.make_tensor_value_info("statistics", TensorProto.FLOAT, [ROWS, len(head.mean)])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("vectors", "tags")],
        [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", ONNX_OPSET)], ir_version=ONNX_IR_VERSION
    )
    serialized: bytes = model.SerializeToString()
    return serialized
