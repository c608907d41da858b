"""`lite`, the embedded default encoder: a small network trained on illustrations, 4,096 units and tags.

Vector and tags come from statistics of EfficientNet-Lite0's maps: its last ones, and those of its middle
blocks, which tell one way of drawing from another.

- Units 0 .. 2047, *geometry*: seven statistics as they are, so that what the trunk tells apart stays apart,
  also in pictures unlike all it was trained on.
- Units 2048 .. 4095, *code*: sigmoid units learned from illustrations (as the 4,096 of Illustration2Vec,
  Saito & Matsui, SIGGRAPH Asia 2015, less their mean), in which variants of a picture, and the same thing
  drawn in several styles, are near one another.
- Tags: `i2v_search.encoders.lite_tags`.

`scripts.lite.lite` and `scripts.lite.train_tags` make the weights; docs/model-card.md says from what, and how
good they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device, SimilarityName
from i2v_search.encoders.base import EncoderInfo, Encoding
from i2v_search.encoders.lite_head import DIMENSION, STATISTICS, LiteHead, in_float32, model_folder
from i2v_search.encoders.lite_runtime import ROWS, HeadRuntime
from i2v_search.encoders.lite_sketches import LiteSketches
from i2v_search.encoders.lite_tags import LiteTags
from i2v_search.encoders.lite_text import LiteText
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.networks.efficientnet import statistics_network
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.networks.runtime import open_runtime
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import EncoderError, TagError, WeightsError
from i2v_search.files import file_sha256
from i2v_search.images.borders import without_border
from i2v_search.tags.vocabulary import Vocabulary

WEIGHTS = "weights.safetensors"
PREPROCESSING = "rgb-224-trim-paper-pad-white-bicubic-127-128"


class LiteEncoder:
    """The default encoder; satisfies `Encoder`, `Tagger` and `TextEncoder` of `i2v_search.encoders.base`.

    Args:
        device: where and how it runs.
        folder: what `scripts.lite` wrote; None takes the one in the package.

    Raises:
        EncoderError: a file is missing or damaged.
    """

    shrink_to: int | None = efficientnet.SIZE
    #: Its halves, statistics and a learned code, spread differently: docs/decisions/0023-standardised.md.
    similarity: SimilarityName = "standardised"

    def __init__(self, device: Device = Device(), folder: Path | None = None) -> None:
        folder = folder or model_folder()
        try:
            weights = map_tensors(folder / WEIGHTS)
            self.head = LiteHead.from_weights(weights)
            self.tags, vocabulary = LiteTags.read(folder)
            sha256 = file_sha256(folder / WEIGHTS)
        except (OSError, WeightsError, TagError) as error:
            raise EncoderError(f"encoder 'lite' cannot be loaded: {error}; reinstall i2v-search") from error
        self.vocabulary: Vocabulary = vocabulary
        self.info = EncoderInfo(
            id="lite", weights_sha256=sha256, preprocessing=PREPROCESSING, dimension=DIMENSION
        )
        self._trunk = Trunk(lambda: in_float32(weights), sha256, device)
        self._head = HeadRuntime(self.head, self.tags, device.threads)
        self.batch_size = self._trunk.batch_size
        self._folder = folder
        #: Texts are directions from the mean of a collection.
        self.text_mean = np.zeros(DIMENSION, np.float32)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Cut a blank border, and fit what is left into (224, 224, 3) uint8, centred on white."""
        return prepare(image)

    def encode(self, inputs: Sequence[NDArray[np.uint8]]) -> Encoding:
        """Encode n prepared images, each (224, 224, 3) uint8, as (n, 4096) float32 vectors, and tag them."""
        return Encoding(*self._head.run(self._trunk.statistics(efficientnet.network_input(inputs))))

    def tag(self, inputs: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Probabilities of every tag for n prepared images, (n, len(vocabulary)) float32."""
        return self._head.run(self._trunk.statistics(efficientnet.network_input(inputs)))[1]

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Directions in which images of n texts lie, (n, 4096) float32: `LiteText.encode_text`."""
        return LiteText.load(self._folder).encode_text(texts)

    def sketch_directions(self, vectors: NDArray[np.floating]) -> NDArray[np.float32] | None:
        """Directions of what n drawings show, (n, 4096) float32: `LiteSketches.directions`.

        None where the numbers in the folder are for other weights.
        """
        sketches = LiteSketches.load(self._folder)
        known = sketches.encoder_sha256 == self.info.weights_sha256
        return sketches.directions(vectors) if known else None


class Trunk:
    """EfficientNet-Lite0, of which the statistics are kept.

    Args:
        read_weights: gives the trunk's weights, float32.
        sha256: SHA-256 of their file.
        device: where and how it runs.
    """

    def __init__(self, read_weights: Callable[[], Weights], sha256: str, device: Device = Device()) -> None:
        network = statistics_network(tuple(statistic for statistic, _ in STATISTICS))
        self._runtime = open_runtime(network, read_weights, key=sha256, device=device, by_image=True)
        self.batch_size = device.batch_size or self._runtime.best_batch(ROWS)

    def statistics(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 3, 224, 224) float32, of `efficientnet.network_input` -> (n, 4104) float32, normalised."""
        return normalised(np.hstack(self._runtime.run(images)))


def prepare(image: Image.Image) -> NDArray[np.uint8]:
    """The network's input: without a blank border, in (224, 224, 3) uint8, centred on white."""
    return efficientnet.fit_on_white(without_border(image))


def normalised(statistics: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the signed square root of each statistic, bring it to unit length, and weigh it.

    The root: a few channels answer strongly, and would drown the many.

    Args:
        statistics: (n, 4104) float32, in the order of `STATISTICS`.

    Returns:
        (n, 4104) float32.
    """
    rooted = np.sign(statistics) * np.sqrt(np.abs(statistics))
    start = 0
    for (_, _, channels), weight in STATISTICS:
        part = rooted[:, start : start + channels]
        part *= weight / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), np.float32(1e-12))
        start += channels
    return rooted
