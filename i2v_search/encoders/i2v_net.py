"""The network behind an object of the original's API, run up to any of its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from i2v_search.choices import Device
from i2v_search.encoders.networks.illustration2vec import TRUNK, Head, i2v_network
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.networks.runtime import Runtime, open_runtime
from i2v_search.errors import MissingLayerError

#: The model, and the weights, that a layer behind the trunk needs.
_HEADS: dict[str, tuple[Head, str]] = {
    "encode1": ("feature", "encode1"),
    **dict.fromkeys(("conv6_4", "pool6", "prob"), ("tag", "conv6_4")),
}
_OTHER_MODEL: dict[Head, str] = {
    "feature": (
        "these are weights of the tag model, which gives no feature vectors (no layer 'encode1'); load the "
        "feature model: illust2vec_ver200.caffemodel"
    ),
    "tag": (
        "these are weights of the feature model, which gives no tags (no layer 'conv6_4'); load the tag "
        "model: illust2vec_tag_ver200.caffemodel"
    ),
}


def _layers() -> dict[str, str]:
    """The layer that gives each output, by Caffe's names, where a ReLU overwrites its input."""
    named = {"encode1neuron": "encode1", "drop6_3": "conv6_3_relu", **{name: name for name in _HEADS}}
    for number, group in enumerate(TRUNK, start=1):
        for name in group:
            named[name] = named[f"relu{name[4:]}"] = named[f"conv{number}"] = f"{name}_relu"
        if number < len(TRUNK):
            named[f"pool{number}"] = f"pool{number}"
    return named


_LAYERS = _layers()


class Net:
    """Illustration2Vec's network; what `Illustration2Vec.net` holds.

    It is called as networks of Chainer are, ``net(inputs={"data": batch}, outputs=["conv5_2"])``, and accepts
    what callers of the ports say to a network before they use it, such as ``net.eval()`` or ``net.to_gpu()``:
    it is always ready, and runs on the device that it was loaded for.

    Args:
        weights: by canonical name.
        key: SHA-256 of their file.
        device: where it runs.
    """

    def __init__(self, weights: Weights, key: str, device: Device) -> None:
        self._weights, self._key, self._device = weights, key, device
        self._runtimes: dict[str, Runtime] = {}

    def __call__(
        self, inputs: Mapping[str, NDArray[np.float32]], outputs: Sequence[str], **_: Any
    ) -> tuple[NDArray[np.float32], ...]:
        """Values of several layers for prepared images, (n, 3, 224, 224) float32 under the name ``data``."""
        return tuple(self.run(name, inputs["data"]) for name in outputs)

    def run(self, layername: str, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of a layer for prepared images.

        Args:
            layername: ``"encode1"``, ``"encode1neuron"``, ``"prob"``, or an inner layer by Caffe's name, such
                as ``"conv5_2"``, after its ReLU, ``"pool5"`` or ``"conv6_4"``; ``"conv5"`` is the last of its
                group.
            batch: (n, 3, 224, 224) float32.

        Returns:
            (n, channels, height, width) of a convolution or pooling, (n, length) of another layer; float32.

        Raises:
            MissingLayerError: the weights have no such layer.
        """
        (output,) = self._runtime(layername).run(np.ascontiguousarray(batch, np.float32))
        return scipy.special.expit(output) if layername == "encode1neuron" else output

    def batch_size(self, layername: str) -> int:
        """The fastest batch size for a layer; errors are those of `run`."""
        return self._device.batch_size or self._runtime(layername).best_batch(8)

    def _runtime(self, layername: str) -> Runtime:
        layer = _LAYERS.get(layername)
        if layer is None:
            raise MissingLayerError(
                f"there is no layer {layername!r}; available: {', '.join(sorted(_LAYERS))}"
            )
        if layer not in self._runtimes:
            head, needed = _HEADS.get(layer, ("tag", "conv1_1"))
            if f"{needed}.weight" not in self._weights:
                raise MissingLayerError(_OTHER_MODEL[head])
            # The graphs of whole models are cached as those of encoders are, inner layers' only in memory.
            key = self._key if layer in {"encode1", "prob"} else None
            network = i2v_network(head, layer)
            self._runtimes[layer] = open_runtime(network, lambda: self._weights, key=key, device=self._device)
        return self._runtimes[layer]

    def to(self, *_: Any, **__: Any) -> Net:
        """Do nothing: it is ready for use, on the device that it was loaded for."""
        return self

    eval = cpu = cuda = to_cpu = to_gpu = to
