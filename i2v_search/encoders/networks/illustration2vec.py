"""Illustration2Vec: the feature model and the tag model, on one trunk.

Saito & Matsui, "Illustration2Vec: A Semantic Vector Representation of Illustrations", SIGGRAPH Asia 2015
Technical Briefs. Every convolution is 3 x 3 with padding 1 and a ReLU, every pooling 2 x 2 with stride 2. The
feature vector is ``encode1`` before its sigmoid; the binary code is its sign. Widths come from the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.encoders.base import EncoderInfo, Encoding
from i2v_search.encoders.i2v_input import SIZE, resize_to_input, to_network_input
from i2v_search.encoders.networks.layers import Layer, Network
from i2v_search.encoders.networks.runtime import Runtime
from i2v_search.tags.vocabulary import Vocabulary

Head: TypeAlias = Literal["feature", "tag"]

#: Convolutions of the trunk, group by group; a max-pooling follows each group but the last.
TRUNK = (
    ("conv1_1",),
    ("conv2_1",),
    ("conv3_1", "conv3_2"),
    ("conv4_1", "conv4_2"),
    ("conv5_1", "conv5_2"),
    ("conv6_1", "conv6_2", "conv6_3"),
)


@cache
def i2v_network(head: Head, output: str | None = None) -> Network:
    """The layers of one model, up to an output: by default ``encode1`` (n, 4096) or ``prob`` (n, 1539)."""
    layers = tuple(_layers(head))
    last = len(layers) if output is None else [layer.name for layer in layers].index(output) + 1
    return Network(f"i2v-{head}", SIZE, layers[:last], (layers[last - 1].name,))


def _layers(head: Head) -> Iterator[Layer]:
    value = "image"
    for number, group in enumerate(TRUNK, start=1):
        for name in group:
            yield _convolution(name, value)
            yield Layer("relu", f"{name}_relu", (name,))
            value = f"{name}_relu"
        if number < len(TRUNK):
            yield Layer("max_pool", f"pool{number}", (value,), kernel=2, stride=2)
            value = f"pool{number}"
    if head == "feature":
        yield Layer("flatten", "flat", (value,))
        yield Layer("linear", "encode1", ("flat",))
    else:
        yield _convolution("conv6_4", value)
        yield Layer("mean", "pool6", ("conv6_4",))
        yield Layer("sigmoid", "prob", ("pool6",))


def _convolution(name: str, value: str) -> Layer:
    return Layer("conv", name, (value,), kernel=3, pads=(1, 1, 1, 1))


class _Illustration2Vec:
    """Common part of both models: the input. `mean` is that of `network_mean`."""

    shrink_to: int | None = None

    def __init__(
        self, info: EncoderInfo, runtime: Runtime, mean: NDArray[np.float32], batch_size: int | None = None
    ) -> None:
        self.info = info
        self._runtime, self._mean = runtime, mean
        self.batch_size = batch_size or runtime.best_batch(8)

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """Stretch an RGB image of any size to (224, 224, 3) float32, exactly as the 2015 code did."""
        return resize_to_input(image)

    def _run(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        (output,) = self._runtime.run(to_network_input(np.stack(inputs), self._mean))
        return output


class FeatureModel(_Illustration2Vec):
    """The feature model; satisfies `i2v_search.encoders.base.Encoder`."""

    vocabulary: Vocabulary | None = None

    def encode(self, inputs: Sequence[NDArray[np.float32]]) -> Encoding:
        """Encode prepared images as raw, signed ``encode1`` vectors, (n, 4096) float32."""
        return Encoding(vectors=self._run(inputs))


class TagModel(_Illustration2Vec):
    """The tag model; satisfies `i2v_search.encoders.base.Tagger`."""

    def __init__(
        self,
        info: EncoderInfo,
        runtime: Runtime,
        mean: NDArray[np.float32],
        vocabulary: Vocabulary,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(info, runtime, mean, batch_size)
        self.vocabulary = vocabulary

    def tag(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Probabilities of every tag for prepared images, (n, len(vocabulary)) float32."""
        return self._run(inputs)


def binary_code(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The binary code of raw feature vectors: (n, d) float32 -> (n, ceil(d / 8)) uint8.

    Bit i is set where component i is above 0, the most significant bit first.

    Example:
        >>> binary_code(np.array([[1, -1, 0, 2, -3, 4, 5, -6]], np.float32)).tolist()
        [[150]]
    """
    return np.packbits(vectors > 0, axis=1)
