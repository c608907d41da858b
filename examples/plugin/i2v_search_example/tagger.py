"""A tagger: how bright and how colourful an image is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search import Device, EncoderInfo
from i2v_search.tags.vocabulary import Vocabulary


class Brightness:
    """Gives the tags `bright`, `dark` and `colourful`, each with a probability."""

    info = EncoderInfo("brightness", "0" * 64, "rgb-1", 3)
    shrink_to = 64
    batch_size = 256
    vocabulary = Vocabulary(("bright", "dark", "colourful"), ("general",) * 3)

    def __init__(self, device: Device) -> None:
        """Make it for a device; it needs none."""

    def prepare(self, image: Image.Image) -> tuple[float, float]:
        """Mean lightness and saturation, in 0..1."""
        _, saturation, value = (np.asarray(band, np.float32) / 255 for band in image.convert("HSV").split())
        return float(value.mean()), float(saturation.mean())

    def tag(self, inputs: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
        """(n, 3) probabilities."""
        return np.array([(light, 1 - light, colour) for light, colour in inputs], np.float32)
