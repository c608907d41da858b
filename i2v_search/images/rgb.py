"""From what a decoder gives to 8-bit sRGB: bit depth, transparency, ink and colour profiles."""

import io
from typing import Any, Final

import numpy as np
import PIL.Image
from PIL import ImageCms, JpegImagePlugin, TiffImagePlugin

from i2v_search.images.reasons import DECODE_ERRORS


def as_rgb(image: PIL.Image.Image, shrink_to: int | None) -> PIL.Image.Image:
    """Return a loaded picture as 8-bit sRGB; with `shrink_to`, reduced as `decode_image` says."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_eight_bits(image)
    elif image.has_transparency_data:
        image = _over_white(image)
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
    return image if image.mode == "RGB" else image.convert("RGB")


_INVERTED: Final = [255 - value for value in range(256)] * 4


def _reduced(image: PIL.Image.Image, shrink_to: int | None) -> PIL.Image.Image:
    """Average blocks of pixels; in steps, because Pillow divides a large block's sum by a rounded number."""
    while shrink_to is not None and (factor := min(min(image.size) // shrink_to, _MAX_REDUCTION)) > 1:
        image = image.reduce(factor)
    return image


_MAX_REDUCTION: Final = 64


def _to_eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Bring 16-bit, 32-bit and floating-point grey to mode "L"; the one value that means transparent becomes
    white.
    """
    values = np.asarray(image)
    if image.mode == "F":
        finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(finite.min()), float(finite.max())
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        elif low >= 0 and high <= 255:
            low, high = 0.0, 255.0
        grey = _stretched(finite, low, high)
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
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return PIL.Image.fromarray(grey)


def _stretched(values: "np.ndarray[Any, Any]", low: float, high: float) -> "np.ndarray[Any, Any]":
    span = high - low
    if span <= 0:
        return np.zeros(values.shape, np.uint8)
    return np.round((values.astype(np.float64) - low) * (255.0 / span)).astype(np.uint8)


def _over_white(image: PIL.Image.Image) -> PIL.Image.Image:
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
        return layered.convert("RGB")
    canvas = PIL.Image.new("RGB", image.size, "white")
    canvas.paste(layered, mask=layered.getchannel("A"))
    return canvas


_PROFILE_SPACES: Final = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}


def _to_srgb(image: PIL.Image.Image, profile: bytes) -> PIL.Image.Image:
    """Convert through the embedded profile; a profile that is broken or of another colour space is as good as
    none.
    """
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if embedded.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
            return image
        if image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(embedded):
            return image
        transform = ImageCms.buildTransform(
            embedded,
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return transform.apply(image)
    except DECODE_ERRORS:
        return image
