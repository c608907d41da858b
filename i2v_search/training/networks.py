"""Networks as they are trained: without the last sigmoid, with dropout, and cut where a trunk is frozen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from i2v_search.encoders.networks.layers import Layer, Network, Weights
from i2v_search.encoders.networks.torch_network import TorchNetwork
from i2v_search.training.initial import INPUT_SCALE

#: Whose output is dropped at random in training, and how much of it: Illustration2Vec's ``drop6_3``.
DROPOUT = {"conv6_3_relu": 0.5}


def training_network(network: Network) -> Network:
    """The network without its last sigmoid: its output is the logits of the tags."""
    *layers, last = network.layers
    return replace(network, layers=tuple(layers), outputs=last.inputs)


def split_network(network: Network, value: str) -> tuple[Network, Network]:
    """Cut a network in two at a value: what computes it, and what reads it as its ``image``.

    Example:
        >>> from i2v_search.encoders.trained import trained_network
        >>> trunk, head = split_network(training_network(trained_network("lite")), "pooled")
        >>> trunk.outputs, head.layers[0].inputs, head.outputs
        (('pooled',), ('image',), ('encode2',))
    """
    place = [layer.name for layer in network.layers].index(value) + 1
    behind = tuple(_reading(layer, value) for layer in network.layers[place:])
    return (
        replace(network, layers=network.layers[:place], outputs=(value,)),
        replace(network, name=f"{network.name}-head", layers=behind),
    )


def _reading(layer: Layer, value: str) -> Layer:
    return replace(layer, inputs=tuple("image" if name == value else name for name in layer.inputs))


class TrainingNetwork(TorchNetwork):
    """A network whose output is logits; in training mode it drops out what `DROPOUT` names.

    Args:
        network: the layers.
        weights: float32 arrays by name.
    """

    def __init__(self, network: Network, weights: Weights) -> None:
        super().__init__(network, weights)
        self._first = f"{network.layers[0].name}.weight"
        self._scale = INPUT_SCALE.get(network.layers[0].name, 1.0)
        self.load_weights(weights)

    def forward(self, image: Tensor) -> Tensor:  # type: ignore[override]
        """(n, ...) -> (n, t)."""
        return super().forward(image if self._scale == 1 else image / self._scale)[0]

    def _run(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        value = super()._run(layer, inputs)
        rate = DROPOUT.get(layer.name, 0.0)
        return F.dropout(value, rate, self.training) if rate else value

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """float32 arrays by name, as `TorchNetwork` takes them."""
        found = {name: tensor.detach().cpu().numpy() for name, tensor in self.state_dict().items()}
        return found if self._scale == 1 else {**found, self._first: found[self._first] / self._scale}

    def load_weights(self, weights: Weights) -> None:
        """Take over what `weights` gave."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(torch.from_numpy(np.array(weights[name], np.float32)))
            if self._scale != 1:
                self.get_parameter(self._first).mul_(self._scale)

    def start_from_frequencies(self, layer: str, frequencies: NDArray[np.float64]) -> None:
        """Set a tag layer's biases so that its first probabilities are how often each tag occurs."""
        odds = np.log(frequencies) - np.log1p(-frequencies)
        bias = self.get_parameter(f"{layer}.bias")
        with torch.no_grad():
            bias.copy_(torch.from_numpy(odds))
