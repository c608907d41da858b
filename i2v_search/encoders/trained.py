"""Networks that `i2v_search.training` trains: what each computes, its input, and how one is run.

====================================  =====================================================================
name                                  network
====================================  =====================================================================
``illustration2vec``                  the tag model: trunk -> conv6_4 -> average -> tags
``illustration2vec-features``         trunk -> encode1 -> sigmoid -> encode2 -> tags
``lite``                              EfficientNet-Lite0 -> pooled -> encode1 -> sigmoid -> encode2 -> tags
====================================  =====================================================================

The vector of the last two is ``encode1`` before its sigmoid, as in Illustration2Vec (Saito & Matsui, SIGGRAPH
Asia 2015 Technical Briefs). One forward pass gives vector and tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import TrainingModel
from i2v_search.encoders import i2v_input
from i2v_search.encoders.base import EncoderInfo, Encoding
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.networks.illustration2vec import i2v_network
from i2v_search.encoders.networks.layers import Layer, Network
from i2v_search.encoders.networks.runtime import Runtime
from i2v_search.tags.vocabulary import Vocabulary


@cache
def trained_network(name: TrainingModel) -> Network:
    """The layers of a network that can be trained; the last is the sigmoid of the tags, ``prob``.

    Example:
        >>> trained_network("lite").outputs
        ('encode1', 'prob')
    """
    if name == "illustration2vec":
        return i2v_network("tag")
    if name == "illustration2vec-features":
        trunk = i2v_network("feature")
        return Network("i2v-feature-tags", trunk.size, (*trunk.layers, *_tag_head()), ("encode1", "prob"))
    trunk = efficientnet.lite_network()
    encode1 = Layer("linear", "encode1", ("pooled",))
    return Network("lite-tags", trunk.size, (*trunk.layers, encode1, *_tag_head()), ("encode1", "prob"))


def _tag_head() -> Iterator[Layer]:
    yield Layer("sigmoid", "encode1neuron", ("encode1",))
    yield Layer("linear", "encode2", ("encode1neuron",))
    yield Layer("sigmoid", "prob", ("encode2",))


@dataclass(frozen=True)
class Preprocessing:
    """Preparation of a picture as the input of a network.

    Attributes:
        id: names it, for `EncoderInfo.preprocessing`.
        shrink_to: see `Encoder.shrink_to`.
        prepare: RGB image -> (size, size, 3); thread-safe.
        to_input: (n, size, size, 3) -> (n, 3, size, size) float32.
    """

    id: str
    shrink_to: int | None
    prepare: Callable[[Image.Image], NDArray[Any]]
    to_input: Callable[[NDArray[Any]], NDArray[np.float32]]


def preprocessing_of(name: TrainingModel, mean: NDArray[np.float32] | None = None) -> Preprocessing:
    """The input of a network that can be trained.

    Args:
        name: name of the network.
        mean: of Illustration2Vec's input, from `network_mean`; None takes the published one.

    Example:
        >>> preprocessing = preprocessing_of("lite")
        >>> preprocessing.to_input(preprocessing.prepare(Image.new("RGB", (40, 30)))[None]).shape
        (1, 3, 224, 224)
    """
    if name == "lite":
        return Preprocessing(
            efficientnet.PREPROCESSING,
            efficientnet.SIZE,
            efficientnet.fit_on_white,
            efficientnet.network_input,
        )
    subtracted = i2v_input.network_mean() if mean is None else mean
    return Preprocessing(
        i2v_input.preprocessing_id(subtracted),
        None,
        i2v_input.resize_to_input,
        lambda batch: i2v_input.to_network_input(batch, subtracted),
    )


class TrainedModel:
    """A trained network with a vector and tags; satisfies `Encoder` and `Tagger`.

    Args:
        info: what a collection records of it.
        runtime: runs the network; its outputs are ``encode1`` and ``prob``.
        preprocessing: preprocessing of its input.
        vocabulary: vocabulary of the tags.
        batch_size: None takes what runs best.
    """

    def __init__(
        self,
        info: EncoderInfo,
        runtime: Runtime,
        preprocessing: Preprocessing,
        vocabulary: Vocabulary,
        batch_size: int | None = None,
    ) -> None:
        self.info = info
        self.vocabulary = vocabulary
        self.shrink_to = preprocessing.shrink_to
        self._runtime, self._preprocessing = runtime, preprocessing
        self.batch_size = batch_size or runtime.best_batch(8)

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """Bring an RGB image to the input size, (224, 224, 3)."""
        return self._preprocessing.prepare(image)

    def encode(self, inputs: Sequence[NDArray[Any]]) -> Encoding:
        """Encode n prepared images: raw, signed ``encode1`` vectors (n, d) float32, and their tags."""
        vectors, tags = self._runtime.run(self._preprocessing.to_input(np.stack(inputs)))
        return Encoding(vectors, tags)

    def tag(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Probabilities of every tag for n prepared images, (n, len(vocabulary)) float32."""
        return self._runtime.run(self._preprocessing.to_input(np.stack(inputs)))[1]
