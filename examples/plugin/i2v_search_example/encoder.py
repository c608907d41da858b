"""An encoder: the colours of 8 x 8 fields of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search import Device, EncoderInfo, Encoding

SIDE = 8


class ColourGrid:
    """Finds images with the same colours in the same places.

    `info` is recorded in every collection, which refuses another one: change the SHA-256 with the weights
    (here there are none), and the name of the preprocessing with `prepare`.
    """

    info = EncoderInfo("colour-grid", "0" * 64, f"rgb-{SIDE}", SIDE * SIDE * 3)
    #: The loader may reduce large images to this shorter side before `prepare` sees them.
    shrink_to = 4 * SIDE
    batch_size = 256
    #: An encoder with a tag head has its tags here, and gives their probabilities in `Encoding`.
    vocabulary = None

    def __init__(self, device: Device) -> None:
        """Make it for a device, with its threads; this one needs neither."""

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """(192,) values in 0..1, the mean subtracted, so that light and dark images can be alike."""
        small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
        fields = np.asarray(small, np.float32).ravel() / 255
        centred: NDArray[np.float32] = fields - fields.mean()
        return centred

    def encode(self, inputs: Sequence[NDArray[np.float32]]) -> Encoding:
        """(n, 192) vectors. One of a single colour gets a small constant: a vector must not be zero."""
        return Encoding(np.stack(inputs) + np.float32(1e-3))
