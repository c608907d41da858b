"""`lite0`: EfficientNet-Lite0 as trained on photographs, the baseline that `lite` is measured against.

The vector is the signed square root of the 1,280 pooled features: measured better for retrieval by label than
the raw features on four sets (docs/decisions/0002-default-encoder.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device
from i2v_search.encoders.base import EncoderInfo, Encoding
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.networks.runtime import open_runtime
from i2v_search.files import file_sha256
from i2v_search.tags.vocabulary import Vocabulary

DIMENSION = 1280


class Lite0Encoder:
    """EfficientNet-Lite0 features; satisfies `i2v_search.encoders.base.Encoder`.

    Args:
        device: where and how it runs.

    Raises:
        EncoderError: the weights package is not installed, or its file is damaged.
    """

    shrink_to: int | None = efficientnet.SIZE
    vocabulary: Vocabulary | None = None

    def __init__(self, device: Device = Device()) -> None:
        path = efficientnet.weights_path()
        sha256 = file_sha256(path)
        self.info = EncoderInfo(
            id="lite0", weights_sha256=sha256, preprocessing=efficientnet.PREPROCESSING, dimension=DIMENSION
        )
        self._runtime = open_runtime(
            efficientnet.lite_network(),
            lambda: efficientnet.read_weights(path),
            key=sha256,
            device=device,
            by_image=True,
        )
        self.batch_size = device.batch_size or self._runtime.best_batch(8)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Fit an RGB image into (224, 224, 3) uint8, centred on white; its aspect ratio is kept."""
        return efficientnet.fit_on_white(image)

    def encode(self, inputs: Sequence[NDArray[np.uint8]]) -> Encoding:
        """Encode n prepared images, each (224, 224, 3) uint8, as (n, 1280) float32 vectors."""
        (pooled,) = self._runtime.run(efficientnet.network_input(inputs))
        return Encoding(vectors=np.sign(pooled) * np.sqrt(np.abs(pooled)))
