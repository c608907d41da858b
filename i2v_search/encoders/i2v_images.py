"""Images as callers of the original library give them: files, PIL images and arrays of any numbers."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from i2v_search.errors import ImageTypeError
from i2v_search.images.decoding import load_image

_ARRAY = "<array>"
_ALPHA = {2: 1, 4: 3}


def pixels_of(image: Any) -> NDArray[Any]:
    """The pixels of an image, in the numbers that it came in.

    Files and PIL images become 8-bit RGB by `i2v_search.load_image`, but are not turned by their EXIF
    orientation. The numbers of an array mean 0 to 255 whatever their type, as they did in the original: a
    warning says where they hardly can.

    Args:
        image: a path, bytes, a stream, a PIL image, or what NumPy makes an array (h, w), (h, w, 1), (h, w, 3)
            or (h, w, 4) of; also nested lists, and tensors on the CPU. A fourth channel of uint8 is alpha,
            and composited over white; of other types it is ignored.

    Returns:
        (height, width, 3): uint8 of files and PIL images.

    Raises:
        ImageTypeError: it is no image, or an array of another shape, of other values than numbers, or of
            numbers that are not finite.
        ImageError: it cannot be decoded.

    Example:
        >>> pixels_of([[0, 128], [255, 255]]).shape, pixels_of(np.full((4, 4, 1), 9.5))[0, 0].tolist()
        ((2, 2, 3), [9.5, 9.5, 9.5])
    """
    if isinstance(image, str | os.PathLike | bytes | PIL.Image.Image) or hasattr(image, "read"):
        return np.asarray(load_image(image, turn=False))
    array = _as_array(image)
    channels = array.shape[2]
    if channels in _ALPHA and array.dtype == np.uint8:
        return np.asarray(load_image(PIL.Image.fromarray(array)))
    _check_values(array)
    return np.broadcast_to(array[:, :, : _ALPHA.get(channels, channels)], (*array.shape[:2], 3))


def _as_array(image: Any) -> NDArray[Any]:
    try:
        array = np.asarray(image)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, tensors on a GPU
        raise ImageTypeError(_ARRAY, f"{type(image).__name__} is no image ({error})") from error
    if array.dtype.kind not in "biuf":
        raise ImageTypeError(_ARRAY, f"{type(image).__name__} of {array.dtype} is no image; expected numbers")
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or array.shape[2] not in {1, 2, 3, 4} or 0 in array.shape:
        raise ImageTypeError(
            _ARRAY,
            f"an array of shape {np.shape(image)} is no image; expected (height, width), or channels last: "
            "(height, width, 1), (height, width, 3) or (height, width, 4)",
        )
    return array


def _check_values(array: NDArray[Any]) -> None:
    if array.dtype == np.uint8:
        return
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise ImageTypeError(_ARRAY, "it holds numbers that are not finite")
    if low < 0 or high > 255 or 0 < high <= 1:
        warnings.warn(
            f"an image of {array.dtype} has values from {low:g} to {high:g}; the network reads them as 0 "
            "to 255, like the original: bring the image to this range",
            stacklevel=2,
        )
