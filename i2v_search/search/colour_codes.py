"""Colours of pictures as they are kept: the file ``colours.cache`` of a collection, in the form of views.

A code is 26 bytes: of six colours lightness (0 to 255 for 0 to 100), a and b (128 is 0) and the share (0 to
255; 0 where there are fewer), then 1 for a picture that moves, and a zero.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.images.colours import COLOURS, Colours
from i2v_search.store.view_file import ViewForm

_CODE_BYTES: Final = 4 * COLOURS + 2
COLOUR_FORM: Final = ViewForm("colours", {}, "cielab 1", _CODE_BYTES, 1)


def encode_colours(colours: Colours) -> NDArray[np.int8]:
    """(26,) int8, bytes of a code."""
    code = np.zeros(_CODE_BYTES, np.uint8)
    count = len(colours.shares)
    fields = code[: 4 * count].reshape(count, 4)
    fields[:, 0] = np.rint(colours.lab[:, 0] * 2.55).clip(0, 255)
    fields[:, 1:3] = np.rint(colours.lab[:, 1:] + 128).clip(0, 255)
    fields[:, 3] = np.rint(colours.shares * 255).clip(1, 255)
    code[-2] = colours.is_animated
    return code.view(np.int8)


def decode_colours(
    codes: NDArray[np.int8],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """(n, 26) int8 -> (n, 6, 3) CIELAB, (n, 6) shares, and (n,) whether each moves."""
    numbers = codes.view(np.uint8)
    fields = numbers[:, :-2].reshape(len(codes), COLOURS, 4).astype(np.float32)
    lab = fields[:, :, :3] - np.array([0, 128, 128], np.float32)
    lab[:, :, 0] /= np.float32(2.55)
    return lab, fields[:, :, 3] / np.float32(255), numbers[:, -2] > 0
