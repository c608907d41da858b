"""From picture to network input, as the Illustration2Vec code of 2015 did it.

Source: Saito & Matsui, "Illustration2Vec: A Semantic Vector Representation of Illustrations" (SIGGRAPH Asia
2015 Technical Briefs), and its published library. The picture is stretched to 224 x 224 by bilinear
interpolation without anti-aliasing (scikit-image's ``resize(order=1, mode="constant", anti_aliasing=False,
preserve_range=True)``), its channels are reordered to B, G, R and the mean of the training images is
subtracted; values are not scaled.

Only the four pixels around each of the 224 x 224 sample points matter, so only those are read: the cost does
not grow with the picture. For the same reason a decoder must not shrink the picture before (an encoder that
uses this module has ``shrink_to = None``).
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from i2v_search.errors import EncoderError

SIZE: Final = 224
#: Mean of the training images, blue first.
BGR_MEAN: Final = (164.76139251, 167.47864617, 181.13838569)
#: What is done to a picture before a mean is subtracted.
_METHOD: Final = f"bgr-{SIZE}-stretch-bilinear-aliased-mean"
#: Preprocessing id with the published channel means.
PREPROCESSING: Final = f"{_METHOD}-{'-'.join(f'{mean:.2f}' for mean in BGR_MEAN)}"


def resize_to_input(image: Image.Image) -> NDArray[np.float32]:
    """Stretch an RGB picture to the input size; thread-safe.

    Sample points lie at half-pixel centres. Those of an enlarged picture that fall outside it blend with 0,
    and the result is clipped to the picture's own range, both as scikit-image does it.

    The library of 2015 scaled each picture to [0, 1] by its own extremes before, so its outside was the
    picture's darkest value. That is the same wherever a picture holds a 0, and for every picture of 224 px or
    more on both sides.

    Args:
        image: mode "RGB", any size.

    Returns:
        (224, 224, 3) float32, R, G, B in [0, 255].

    Raises:
        ValueError: the picture is not RGB or has no pixels.

    Example:
        >>> picture = Image.new("RGB", (448, 224))
        >>> picture.putpixel((0, 0), (255, 0, 0))
        >>> resize_to_input(picture)[0, 0].tolist()
        [127.5, 0.0, 0.0]
    """
    if image.mode != "RGB":
        raise ValueError(f"the picture has mode {image.mode}, not RGB; open it with i2v_search.load_image")
    if 0 in image.size:
        raise ValueError(f"the picture has {image.width} x {image.height} pixels; it is empty")
    across = _fractions(image.width)[:, np.newaxis]
    down = _fractions(image.height)[:, np.newaxis, np.newaxis]
    upper, lower = (
        _blend(_neighbours(image, right=0, below=row), _neighbours(image, right=1, below=row), across)
        for row in (0, 1)
    )
    resized = _blend(upper, lower, down)
    if min(image.size) < SIZE:
        darkest = min(low for low, _ in image.getextrema())  # type: ignore[misc]  # RGB: one pair a channel
        np.maximum(resized, darkest, out=resized)
    return resized


def stretch(
    pixels: NDArray[Any], size: tuple[int, int] = (SIZE, SIZE), *, anti_aliasing: bool = False
) -> NDArray[np.float32]:
    """Stretch any array as the library of 2015 did: what lies outside is the picture's darkest value.

    Args:
        pixels: (height, width, channels) of any numbers.
        size: height and width of the result.
        anti_aliasing: blur a picture first that is reduced, as scikit-image does today unless told not to:
            by a Gaussian with a standard deviation of half the reduction less one half.

    Returns:
        (*size, channels) float32, within the range of `pixels`.

    Example:
        >>> stretch(np.array([[[0], [300]]], np.uint16), (1, 4))[0, :, 0].tolist()
        [0.0, 75.0, 225.0, 225.0]
    """
    darkest = pixels.min()
    if anti_aliasing:
        from scipy.ndimage import gaussian_filter

        above = np.subtract(pixels, darkest, dtype=np.float32)
        deviations = np.maximum(np.divide(pixels.shape[:2], size) - 1, 0) / 2
        pixels = gaussian_filter(above, (*deviations, 0), mode="constant") + np.float32(darkest)
    upper, lower, down = _around(pixels, 0, size[0], darkest)
    top, bottom = (_blend(*_around(row, 1, size[1], darkest)) for row in (upper, lower))
    return _blend(top, bottom, down)


def to_network_input(batch: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract the mean and put the channels in the network's order.

    Args:
        batch: (n, 224, 224, 3) float32, R, G, B, from `resize_to_input`.
        mean: (3, 1, 1) or (3, 224, 224) float32, B, G, R, from `network_mean`.

    Returns:
        (n, 3, 224, 224) float32, C-contiguous, B, G, R.

    Example:
        >>> to_network_input(np.full((2, 224, 224, 3), 200, np.float32), network_mean()).shape
        (2, 3, 224, 224)
    """
    count, height, width, channels = batch.shape
    network_input = np.empty((count, channels, height, width), np.float32)
    for channel in range(channels):
        # Each source channel is a strided view; reading it here costs no copy of the batch.
        np.subtract(
            batch[..., channels - 1 - channel], mean[channel], out=network_input[:, channel], dtype=np.float32
        )
    return network_input


def network_mean(mean: ArrayLike = BGR_MEAN) -> NDArray[np.float32]:
    """Bring a mean into the shape that `to_network_input` subtracts.

    A mean image of another size is stretched to 224 x 224 like the pictures themselves (its edges continued),
    because each picture is stretched whole: its place (x, y) then meets the mean of that place. Caffe's own
    Python classifier resizes a mean image too; its C++ reader crops, but it crops the pictures as well.

    Args:
        mean: B, G, R values, as three numbers, (3, h, w), or the (1, 3, h, w) of a Caffe blob.

    Returns:
        (3, 1, 1) or (3, 224, 224) float32.

    Raises:
        EncoderError: another shape, or a value that is not finite.

    Example:
        >>> network_mean().shape, network_mean(np.ones((3, 256, 256))).shape
        ((3, 1, 1), (3, 224, 224))
    """
    values = np.asarray(mean)
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim == 1:
        values = values[:, np.newaxis, np.newaxis]
    if values.ndim != 3 or len(values) != 3 or 0 in values.shape:
        shape = np.shape(mean)
        raise EncoderError(
            f"an image mean has shape (3,) or (3, height, width) in B, G, R order, not {shape}"
        )
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise EncoderError(
            f"an image mean must hold finite numbers; this one is {values.dtype} and holds other values"
        )
    for axis, side in ((1, values.shape[1]), (2, values.shape[2])):
        if values.shape[1:] != (1, 1) and side != SIZE:
            values = _stretch(values, axis)
    return np.ascontiguousarray(values, dtype=np.float32)


def preprocessing_id(mean: NDArray[np.float32]) -> str:
    """Name the way a picture becomes the network's input, for `EncoderInfo.preprocessing`.

    Args:
        mean: from `network_mean`.

    Returns:
        `PREPROCESSING` for the published channel means, else an id that holds a hash of the mean.

    Example:
        >>> preprocessing_id(network_mean())
        'bgr-224-stretch-bilinear-aliased-mean-164.76-167.48-181.14'
    """
    if np.array_equal(mean, network_mean()):
        return PREPROCESSING
    return f"{_METHOD}-sha256-{hashlib.sha256(mean.astype('<f4').tobytes()).hexdigest()[:16]}"


def _sample_points(side: int, samples: int = SIZE) -> NDArray[np.int64]:
    """Sample positions along an axis of `side` pixels, in units of 1 / (2 * samples) pixel.

    Sample i lies at (i + 1/2) * side / samples - 1/2: with integers, floor and fraction are exact.
    """
    return (2 * np.arange(samples) + 1) * side - samples


def _fractions(side: int, samples: int = SIZE) -> NDArray[np.float32]:
    """(samples,): how far each sample lies from its first neighbour towards its second, in [0, 1)."""
    return (_sample_points(side, samples) % (2 * samples) / (2 * samples)).astype(np.float32)


def _around(
    pixels: NDArray[Any], axis: int, samples: int, outside: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
    """Both neighbours of every sample along an axis of (h, w, c), and the fraction that `_blend` takes."""
    side, along = pixels.shape[axis], (-1, 1, 1) if axis == 0 else (-1, 1)
    first = _sample_points(side, samples) // (2 * samples)

    def taken(places: NDArray[np.int64]) -> NDArray[Any]:
        values = pixels.take(places, axis, mode="clip")
        np.copyto(values, outside, where=((places < 0) | (places >= side)).reshape(along))
        return values

    return taken(first), taken(first + 1), _fractions(side, samples).reshape(along)


def _neighbours(image: Image.Image, *, right: int, below: int) -> NDArray[np.uint8]:
    """(224, 224, 3): one of the four pixels around every sample point, 0 outside the picture.

    Pillow gathers them out of its own memory; an array of the whole picture would cost 30 times as much at
    12 megapixels. It takes the floor of a coordinate that it computes in floating point; a sample point is a
    multiple of 1 / 448, so half of that keeps rounding errors away from the next pixel.
    """
    horizontal, vertical = image.width / SIZE, image.height / SIZE
    nudge = 1 / (4 * SIZE) - 0.5
    affine = (horizontal, 0, right + nudge, 0, vertical, below + nudge)
    return np.asarray(image.transform((SIZE, SIZE), Image.Transform.AFFINE, affine, Image.Resampling.NEAREST))


def _blend(first: NDArray[Any], second: NDArray[Any], fraction: NDArray[np.float32]) -> NDArray[np.float32]:
    """`first` + (`second` - `first`) * `fraction`, float32."""
    blended: NDArray[np.float32] = np.subtract(second, first, dtype=np.float32)
    blended *= fraction
    blended += first
    return blended


def _stretch(values: NDArray[np.floating] | NDArray[np.integer], axis: int) -> NDArray[np.float64]:
    """Bilinear along one axis to `SIZE`, edges continued."""
    side = values.shape[axis]
    points = np.clip(_sample_points(side) / (2 * SIZE), 0, side - 1)
    first = np.minimum(points.astype(np.intp), max(side - 2, 0))
    second = np.minimum(first + 1, side - 1)
    fraction = (points - first).reshape([-1 if number == axis else 1 for number in range(values.ndim)])
    before, after = (np.take(values, place, axis).astype(np.float64) for place in (first, second))
    return before + (after - before) * fraction
