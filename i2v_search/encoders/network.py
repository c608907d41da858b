"""A convolutional network as data, and the two engines that run the same description.

A `Network` is a list of layers without weights: widths come from the weights it is given. `onnx_model` turns
it into an ONNX graph (what ONNX Runtime executes on CPU), `torch_module` into a `torch.nn.Module` (GPU,
training). Both read the same weight names, ``LAYER.weight`` and ``LAYER.bias``, in torch order: convolutions
``(out, in / groups, kh, kw)``, linear layers ``(out, in)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import EncoderError

if TYPE_CHECKING:
    import torch

Weights: TypeAlias = Mapping[str, NDArray[Any]]
Kind: TypeAlias = Literal["conv", "relu", "relu6", "max_pool", "mean", "add", "flatten", "linear", "sigmoid"]

WEIGHTED: frozenset[str] = frozenset({"conv", "linear"})
ONNX_OPSET = 17
ONNX_IR_VERSION = 8


@dataclass(frozen=True)
class Layer:
    """One operation.

    `name` is also the name of its output. `pads` is (top, left, bottom, right) in pixels, as ONNX orders it;
    ``mean`` is the average over all positions, (n, c, h, w) -> (n, c).
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


def onnx_model(network: Network, weights: Weights) -> bytes:
    """Serialize the network with its weights as an ONNX model.

    Args:
        network: the layers.
        weights: float32 arrays by name.

    Returns:
        The protobuf bytes. The batch axis is dynamic.

    Raises:
        EncoderError: a weight is missing.
    """
    from onnx import TensorProto, helper, numpy_helper

    require_weights(network, weights)
    nodes = [_onnx_node(layer, weights) for layer in network.layers]
    initializers = [
        numpy_helper.from_array(np.array(0, np.float32), "relu6.low"),
        numpy_helper.from_array(np.array(6, np.float32), "relu6.high"),
    ]
    initializers += [
        numpy_helper.from_array(np.ascontiguousarray(weights[name], dtype=np.float32), name)
        for name in network.parameter_names()
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, network.size, network.size])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in network.outputs]
    graph = helper.make_graph(nodes, network.name, [image], outputs, initializers)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", ONNX_OPSET)],
        ir_version=ONNX_IR_VERSION,
        producer_name="i2v-search",
    )
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized


def _onnx_node(layer: Layer, weights: Weights) -> Any:
    from onnx import helper

    inputs = list(layer.inputs)
    if layer.kind in WEIGHTED:
        inputs += [f"{layer.name}.weight", f"{layer.name}.bias"]
    attributes: dict[str, Any]
    window: dict[str, Any] = {
        "kernel_shape": [layer.kernel] * 2,
        "strides": [layer.stride] * 2,
        "pads": list(layer.pads),
    }
    match layer.kind:
        case "conv":
            group = weights[f"{layer.name}.weight"].shape[0] if layer.depthwise else 1
            operator, attributes = "Conv", {**window, "group": group}
        case "max_pool":
            operator, attributes = "MaxPool", window
        case "linear":
            operator, attributes = "Gemm", {"transB": 1}
        case "mean":
            operator, attributes = "ReduceMean", {"axes": [2, 3], "keepdims": 0}
        case "relu6":
            # Clip takes its bounds as inputs; a Constant pair per layer would hide the fusion with Conv, so
            # they are initializers shared by name (see `onnx_model`).
            operator, attributes = "Clip", {}
            inputs += ["relu6.low", "relu6.high"]
        case "relu" | "add" | "flatten" | "sigmoid":
            operator, attributes = layer.kind.capitalize(), {}
    return helper.make_node(operator, inputs, [layer.name], name=layer.name, **attributes)


def torch_module(network: Network, weights: Weights) -> torch.nn.Module:
    """Build the network as a `torch.nn.Module` in evaluation mode.

    Args:
        network: the layers.
        weights: float32 arrays by name; copied into the module's parameters.

    Returns:
        A module: (n, 3, size, size) float32 -> tuple of tensors, one per `network.outputs`. Its `state_dict`
        has the same names as `weights`.

    Raises:
        EncoderError: a weight is missing.
    """
    from i2v_search.encoders.torch_network import TorchNetwork

    require_weights(network, weights)
    return TorchNetwork(network, weights).eval()
