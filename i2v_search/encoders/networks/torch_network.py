"""Runs the networks of `layers` in torch: kept apart so that torch is imported only where the model runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from i2v_search.encoders.networks.layers import WEIGHTED, Kind, Layer, Network, Weights, require_weights

_FUNCTIONS: dict[Kind, Callable[..., Tensor]] = {
    "add": torch.add,
    "deviation": lambda value: value.var(dim=(2, 3), correction=0).sqrt(),
    "flatten": lambda value: value.flatten(1),
    "mean": lambda value: value.mean(dim=(2, 3)),
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
}


class TorchNetwork(nn.Module):
    """A `Network` as a torch module: (n, 3, size, size) -> a tuple of tensors, one per `network.outputs`."""

    def __init__(self, network: Network, weights: Weights) -> None:
        super().__init__()
        self.network = network
        for layer in network.layers:
            if layer.kind in WEIGHTED:
                self.add_module(layer.name, _weighted_module(layer, weights))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run the layers in order, keeping only values that are still needed."""
        values = {"image": image}
        last_use = {name: layer.name for layer in self.network.layers for name in layer.inputs}
        for layer in self.network.layers:
            values[layer.name] = self._run(layer, [values[name] for name in layer.inputs])
            for name in layer.inputs:
                if last_use[name] == layer.name and name not in self.network.outputs:
                    values.pop(name, None)
        return tuple(values[name] for name in self.network.outputs)

    def _run(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        if any(layer.pads):
            top, left, bottom, right = layer.pads
            filling = -math.inf if layer.kind == "max_pool" else 0.0
            inputs = [F.pad(inputs[0], (left, right, top, bottom), value=filling)]
        if layer.kind in WEIGHTED:
            return cast(Tensor, self.get_submodule(layer.name)(inputs[0]))
        if layer.kind == "max_pool":
            return F.max_pool2d(inputs[0], layer.kernel, layer.stride)
        return _FUNCTIONS[layer.kind](*inputs)


def _weighted_module(layer: Layer, weights: Weights) -> nn.Module:
    weight, bias = (
        torch.from_numpy(np.array(weights[f"{layer.name}.{part}"], dtype=np.float32))
        for part in ("weight", "bias")
    )
    module: Any
    if layer.kind == "conv":
        out, into = weight.shape[:2]
        groups = out if layer.depthwise else 1
        module = nn.Conv2d(into * groups, out, layer.kernel, layer.stride, groups=groups)
    else:
        module = nn.Linear(weight.shape[1], weight.shape[0])
    module.weight, module.bias = nn.Parameter(weight), nn.Parameter(bias)
    return cast(nn.Module, module)


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
    require_weights(network, weights)
    return TorchNetwork(network, weights).eval()
