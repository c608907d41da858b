"""From what a decoder gives to 8-bit sRGB: bit depth, transparency, ink and colour profiles."""

import io
from functools import lru_cache
from typing import Any, Final

import numpy as np
import PIL.Image
from PIL import ImageChops, ImageCms, JpegImagePlugin, TiffImagePlugin

from i2v_search.images.reasons import DECODE_ERRORS

DARK_GROUND: Final = (72, 72, 72)
"""What lies under a transparent picture of which white leaves nothing: white lines stand out from it as black
ones do."""
PALE: Final = 240
"""A drawn pixel whose channels all reach this cannot be seen on white."""
LEAST_SEEN: Final = 0.001
"""Share of the drawn pixels that must be seen on white; below it the picture is blank there."""
LEAST_ALPHA: Final = 16
"""A pixel of less alpha is not drawn: what a lossy file leaves where nothing is."""


def as_rgb(image: PIL.Image.Image, shrink_to: int | None) -> PIL.Image.Image:
    """Return a loaded picture as 8-bit sRGB; with `shrink_to`, reduced as `decode_image` says."""
    return to_srgb_layer(image, shrink_to)[0]


def to_srgb_layer(
    image: PIL.Image.Image, shrink_to: int | None = None
) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Return a loaded picture as `as_rgb` does, and its alpha (mode "L"), None if it is opaque.

    The alpha is never reduced.
    """
    profile = image.info.get("icc_profile")
    alpha = None
    if image.mode.startswith("I") or image.mode == "F":
        image, alpha = _to_eight_bits(image)
    elif image.has_transparency_data:
        image, alpha = _split_alpha(image)
    if alpha is not None and alpha.getextrema() == (255, 255):
        alpha = None
    if alpha is not None:
        image = _over_ground(image, alpha)
    if (
        image.mode == "CMYK"
        and isinstance(image, JpegImagePlugin.JpegImageFile)
        and "adobe" not in image.info
    ):
        # Pillow inverts every CMYK JPEG as Adobe's are; one without the marker holds ink as it is.
        image = image.point(_INVERTED)
    if image.mode not in _PROFILE_SPACES:
        image = image.convert("RGB")
    image = _reduced(image, shrink_to)
    if isinstance(profile, bytes) and profile:
        image = _to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB"), alpha


_INVERTED: Final = [255 - value for value in range(256)] * 4


def _reduced(image: PIL.Image.Image, shrink_to: int | None) -> PIL.Image.Image:
    """Average blocks of pixels; in steps, because Pillow divides a large block's sum by a rounded number."""
    while shrink_to is not None and (factor := min(min(image.size) // shrink_to, _MAX_REDUCTION)) > 1:
        image = image.reduce(factor)
    return image


_MAX_REDUCTION: Final = 64


def floats_to_eight_bits(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Bring floating-point samples of any shape to uint8: 0..1, else 0..255, else from minimum to maximum."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return _stretched(finite, low, high)


def _to_eight_bits(image: PIL.Image.Image) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Bring 16-bit, 32-bit and floating-point grey to mode "L"; the one value that means transparent becomes
    its alpha.
    """
    values = np.asarray(image)
    if image.mode == "F":
        grey = floats_to_eight_bits(values)
    elif image.mode == "I" and (values.min() < 0 or values.max() > 65_535):
        grey = _stretched(values, float(values.min()), float(values.max()))
    else:
        grey = (values >> 8).astype(np.uint8)
    if (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.mode == "I;16"
        and image.tag_v2.get(262) == 0
    ):
        grey = (
            255 - grey
        )  # PhotometricInterpretation 0: white is zero, and Pillow leaves 16-bit samples as stored
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return PIL.Image.fromarray(grey), None
    return PIL.Image.fromarray(grey), PIL.Image.fromarray(
        np.where(values == transparent, 0, 255).astype(np.uint8)
    )


def _stretched(values: "np.ndarray[Any, Any]", low: float, high: float) -> "np.ndarray[Any, Any]":
    span = high - low
    if span <= 0:
        return np.zeros(values.shape, np.uint8)
    return np.round((values.astype(np.float64) - low) * (255.0 / span)).astype(np.uint8)


def _split_alpha(image: PIL.Image.Image) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Colours, mode "RGB", and alpha, mode "L"."""
    if image.mode == "La":
        image = image.convert("LA")
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in key)  # Pillow kept the high bytes
    try:
        layered = image.convert("RGBA")
    except (ValueError, TypeError, OverflowError):  # a transparency entry that fits no pixel of this mode
        layered = image.copy()
        layered.info.pop("transparency", None)
        return layered.convert("RGB"), None
    return layered, layered.getchannel("A")


def _over_ground(image: PIL.Image.Image, alpha: PIL.Image.Image) -> PIL.Image.Image:
    """Lay a picture over white, or over `DARK_GROUND` where white leaves nothing of it.

    This is the one place where the ground is chosen: extraction, queries, thumbnails and duplicates see the
    same picture.
    """
    seen = _over(image, alpha, (255, 255, 255))
    return _over(image, alpha, DARK_GROUND) if _is_blank(seen, alpha) else seen


def _over(image: PIL.Image.Image, alpha: PIL.Image.Image, ground: tuple[int, int, int]) -> PIL.Image.Image:
    canvas = PIL.Image.new("RGB", image.size, ground)
    canvas.paste(image, mask=alpha)
    return canvas


def _is_blank(seen: PIL.Image.Image, alpha: PIL.Image.Image) -> bool:
    """Whether hardly a drawn pixel can be seen on white."""
    drawn = alpha.point([255 * (level >= LEAST_ALPHA) for level in range(256)])
    red, green, blue = seen.split()
    counts = ImageChops.darker(ImageChops.darker(red, green), blue).histogram(drawn)
    return sum(counts) > 0 and sum(counts[:PALE]) < LEAST_SEEN * sum(counts)


_PROFILE_SPACES: Final = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}


def _to_srgb(image: PIL.Image.Image, profile: bytes) -> PIL.Image.Image:
    """Convert through the embedded profile; a profile that is broken or of another colour space is as good as
    none.
    """
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if embedded.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
            return image
        if image.mode == "RGB" and _is_srgb(profile):
            return image
        return _transform(embedded, image.mode).apply(image)
    except DECODE_ERRORS:
        return image


def _transform(embedded: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        embedded,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


#: Levels by which a profile may move a colour and still be sRGB: the rounding of its curves and matrix.
_ROUNDING: Final = 3


@lru_cache(maxsize=32)
def _is_srgb(profile: bytes) -> bool:
    """Whether an RGB profile leaves colours where they are, whatever its name says."""
    levels = np.linspace(0, 255, 17).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(17, -1, 3)
    moved = _transform(ImageCms.ImageCmsProfile(io.BytesIO(profile)), "RGB").apply(
        PIL.Image.fromarray(colours)
    )
    return int(np.abs(np.asarray(moved, np.int16) - colours).max()) <= _ROUNDING


_TURNS: Final = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
SWAPPING_TURNS: Final = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))
_ORIENTATION_TAG: Final = 0x0112


def exif_turn(image: PIL.Image.Image) -> PIL.Image.Transpose | None:
    """Return what the EXIF orientation asks for; Pillow turns a TIFF itself and then drops the tag."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except DECODE_ERRORS:
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None
