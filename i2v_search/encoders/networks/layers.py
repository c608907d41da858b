"""A convolutional network as data, and the two runtimes that run the same description.

A `Network` is a list of layers without weights: widths come from the weights it is given. `onnx_model` turns
it into an ONNX graph (what ONNX Runtime executes on CPU), `torch_module` into a `torch.nn.Module` (GPU,
training). Both read the same weight names, ``LAYER.weight`` and ``LAYER.bias``, in torch order: convolutions
``(out, in / groups, kh, kw)``, linear layers ``(out, in)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import EncoderError

if TYPE_CHECKING:
    pass

Weights: TypeAlias = Mapping[str, NDArray[Any]]
Kind: TypeAlias = Literal[
    "conv", "relu", "relu6", "max_pool", "mean", "deviation", "add", "flatten", "linear", "sigmoid"
]

WEIGHTED: frozenset[str] = frozenset({"conv", "linear"})
ONNX_OPSET = 17
ONNX_IR_VERSION = 8
PIECE_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Layer:
    """One operation.

    `name` is also the name of its output. `pads` is (top, left, bottom, right) in pixels, as ONNX orders it;
    ``mean`` and ``deviation`` are the average and the standard deviation over all positions, (n, c, h, w) ->
    (n, c).
    """

    kind: Kind
    name: str
    inputs: tuple[str, ...]
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class Network:
    """Layers in the order of execution.

    Input ``image`` is (n, 3, size, size) float32; `outputs` names the layers whose values are returned.
    """

    name: str
    size: int
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]

    def parameter_names(self) -> list[str]:
        """Names of the weights the network needs, in the order of execution."""
        weighted = (layer.name for layer in self.layers if layer.kind in WEIGHTED)
        return [f"{name}.{part}" for name in weighted for part in ("weight", "bias")]


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """TensorFlow's SAME padding for a square input of `size` px: the odd pixel goes to the bottom and the
    right.

    >>> same_pads(224, 3, 2)
    (0, 0, 1, 1)
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    before = total // 2
    return before, before, total - before, total - before


def require_weights(network: Network, weights: Weights) -> None:
    """Check that every weight is there.

    Raises:
        EncoderError: a weight is missing; the message names the first one.
    """
    missing = [name for name in network.parameter_names() if name not in weights]
    if missing:
        raise EncoderError(
            f"network {network.name} needs weight {missing[0]!r} ({len(missing)} of "
            f"{len(network.parameter_names())} missing); the file holds {len(weights)} others"
        )


@dataclass(frozen=True)
class ExternalWeights:
    """A file beside the graph that holds the weights, which ONNX Runtime then maps instead of copying.

    Attributes:
        file_name: in the graph's folder.
        offsets: byte offset of each float32 weight in the file.
    """

    file_name: str
    offsets: Mapping[str, int]


def onnx_model(network: Network, weights: Weights, external: ExternalWeights | None = None) -> bytes:
    """Serialize the network as an ONNX model.

    Args:
        network: the layers.
        weights: float32 arrays by name.
        external: where the same weights lie; None puts them into the model.

    Returns:
        The protobuf bytes. The batch axis is dynamic.

    Raises:
        EncoderError: a weight is missing.
    """
    from onnx import TensorProto, helper

    require_weights(network, weights)
    builder = _OnnxBuilder(weights, external)
    for layer in network.layers:
        builder.add(layer)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, network.size, network.size])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in network.outputs]
    graph = helper.make_graph(builder.nodes, network.name, [image], outputs, builder.initializers)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", ONNX_OPSET)],
        ir_version=ONNX_IR_VERSION,
        producer_name="i2v-search",
    )
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized


class _OnnxBuilder:
    """Collects the nodes and initializers of a graph."""

    def __init__(self, weights: Weights, external: ExternalWeights | None) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._weights, self._external = weights, external

    def add(self, layer: Layer) -> None:
        window: dict[str, Any] = {
            "kernel_shape": [layer.kernel] * 2,
            "strides": [layer.stride] * 2,
            "pads": list(layer.pads),
        }
        match layer.kind:
            case "conv":
                weight, bias = (self._parameter(layer, part) for part in ("weight", "bias"))
                out = self._weights[weight].shape[0]
                group = out if layer.depthwise else 1
                self._node("Conv", layer, [*layer.inputs, weight, bias], group=group, **window)
            case "linear":
                self._linear(layer)
            case "max_pool":
                self._node("MaxPool", layer, layer.inputs, **window)
            case "mean":
                self._node("ReduceMean", layer, layer.inputs, axes=[2, 3], keepdims=0)
            case "deviation":
                self._deviation(layer)
            case "relu6":
                self._node("Clip", layer, [*layer.inputs, self._constant(0), self._constant(6)])
            case "relu" | "add" | "flatten" | "sigmoid":
                self._node(layer.kind.capitalize(), layer, layer.inputs)

    def _linear(self, layer: Layer) -> None:
        """A matrix product, in pieces of at most `PIECE_BYTES` where its weights are outside the graph.

        ONNX Runtime reorders the weights of a product when it loads them and lets go of the original only
        then: in one piece, the largest layer would be in memory twice.
        """
        name = f"{layer.name}.weight"
        rows, columns = self._weights[name].shape
        size = rows if self._external is None else max(1, PIECE_BYTES // (4 * columns))
        if size >= rows:
            weight, bias = (self._parameter(layer, part) for part in ("weight", "bias"))
            self._node("Gemm", layer, [*layer.inputs, weight, bias], transB=1)
            return
        pieces = []
        for start in range(0, rows, size):
            parts = [
                self._parameter(layer, part, start, min(start + size, rows)) for part in ("weight", "bias")
            ]
            pieces.append(f"{layer.name}.{start}")
            self._node("Gemm", layer, [*layer.inputs, *parts], output=pieces[-1], transB=1)
        self._node("Concat", layer, pieces, axis=1)

    def _deviation(self, layer: Layer) -> None:
        """In two passes, as the mean of squares less the square of the mean loses digits."""
        names = {part: f"{layer.name}.{part}" for part in ("average", "distance", "square", "variance")}
        self._node("ReduceMean", layer, layer.inputs, names["average"], axes=[2, 3], keepdims=1)
        self._node("Sub", layer, [*layer.inputs, names["average"]], names["distance"])
        self._node("Mul", layer, [names["distance"]] * 2, names["square"])
        self._node("ReduceMean", layer, [names["square"]], names["variance"], axes=[2, 3], keepdims=0)
        self._node("Sqrt", layer, [names["variance"]])

    def _node(
        self, operator: str, layer: Layer, inputs: Sequence[str], output: str | None = None, **attributes: Any
    ) -> None:
        from onnx import helper

        output = output or layer.name
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))

    def _parameter(self, layer: Layer, part: str, start: int = 0, stop: int | None = None) -> str:
        """Make rows of a weight an initializer; returns its name."""
        from onnx import TensorProto, numpy_helper

        weight = f"{layer.name}.{part}"
        rows = self._weights[weight][start:stop]
        name = weight if stop is None else f"{weight}.{start}"
        if self._external is None:
            values = np.ascontiguousarray(rows, dtype=np.float32)
            self.initializers.append(numpy_helper.from_array(values, name))
            return name
        row_bytes = 4 * int(np.prod(rows.shape[1:]))
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=rows.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", self._external.file_name),
            ("offset", self._external.offsets[weight] + start * row_bytes),
            ("length", len(rows) * row_bytes),
        ):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return name

    def _constant(self, value: float) -> str:
        from onnx import numpy_helper

        name = f"constant.{value}"
        if all(tensor.name != name for tensor in self.initializers):
            self.initializers.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name
