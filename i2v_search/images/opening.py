"""Opening a picture with the one decoder that takes it."""

import io
import os

import PIL.Image

from i2v_search.errors import ImageError
from i2v_search.images.floats import is_colour_pfm, open_colour_pfm, open_float_tiff, read_native_floats
from i2v_search.images.formats import KNOWN_STRANGERS, OPENERS, TGA_EXTENSIONS
from i2v_search.images.limits import check_icon, check_repeats, check_size
from i2v_search.images.png_chunks import PNG_SIGNATURE, without_ancillary
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason


def open_image(data: bytes, label: str, max_pixels: int | None) -> PIL.Image.Image:
    """Parse the header only. Pillow gets the bytes, never the file: a mapped file that shrinks would kill the
    process.
    """
    if data.startswith(PNG_SIGNATURE):
        data = without_ancillary(data)
    if is_colour_pfm(data):
        return open_colour_pfm(data, label, max_pixels)
    prefix = data[:16].ljust(16, b"\0")  # some of Pillow's tests read all 16 bytes
    damage: tuple[str, Exception] | None = None
    for format_name, opener in OPENERS.items():
        if not _accepts(format_name, prefix, label):
            continue
        if format_name == "ICO":
            check_icon(data, label, max_pixels)
        if format_name == "JPEG":
            check_repeats(data, label)
        try:
            # Not Image.open: it tries formats by its own list and warns, or stops, at its own pixel limit.
            image = opener(io.BytesIO(data), "")
        except SyntaxError as error:
            if format_name == "TIFF" and (floats := open_float_tiff(data, label, max_pixels)) is not None:
                return floats
            damage = damage or (format_name, error)
            continue
        except DECODE_ERRORS as error:
            raise ImageError(label, damage_reason(format_name, error)) from error
        check_size(image.size, label, max_pixels)
        read_native_floats(image)
        return image
    if damage is not None:
        raise ImageError(label, damage_reason(*damage)) from damage[1]
    known = next((kind for pattern, kind in KNOWN_STRANGERS if pattern.match(data, 0, 4096)), None)
    raise ImageError(
        label, f"not an image Pillow can identify{f': it looks like {known}' if known is not None else ''}"
    )


def _accepts(format_name: str, prefix: bytes, label: str) -> bool:
    if format_name == "TGA":
        # TGA has no signature: nearly anything could be one, so the name must say so.
        return os.path.splitext(label)[1].lower() in TGA_EXTENSIONS  # noqa: PTH122 - not a path
    accept = PIL.Image.OPEN[format_name][1]
    return accept is not None and accept(prefix) is True
