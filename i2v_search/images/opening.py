"""Opening a picture with the one decoder that takes it."""

import io
import os

import PIL.Image
from PIL import ImageFile

from i2v_search.errors import ImageError
from i2v_search.images.formats import KNOWN_STRANGERS, OPENERS, TGA_EXTENSIONS
from i2v_search.images.limits import check_icon, check_repeats, check_size
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason


def open_image(data: bytes, label: str, max_pixels: int) -> ImageFile.ImageFile:
    """Parse the header only. Pillow gets the bytes, never the file: a mapped file that shrinks would kill the
    process.
    """
    prefix = data[:16].ljust(16, b"\0")  # some of Pillow's tests read all 16 bytes
    damage: tuple[str, Exception] | None = None
    for format_name, opener in OPENERS.items():
        if format_name == "TGA":
            # TGA has no signature: nearly anything could be one, so the name must say so.
            if os.path.splitext(label)[1].lower() not in TGA_EXTENSIONS:  # noqa: PTH122 - not a path
                continue
        elif (accept := PIL.Image.OPEN[format_name][1]) is None or accept(prefix) is not True:
            continue
        if format_name == "ICO":
            check_icon(data, label, max_pixels)
        if format_name == "JPEG":
            check_repeats(data, label)
        try:
            # Not Image.open: it tries formats by its own list and warns, or stops, at its own pixel limit.
            image = opener(io.BytesIO(data), "")
        except SyntaxError as error:
            damage = damage or (format_name, error)
            continue
        except DECODE_ERRORS as error:
            raise ImageError(label, damage_reason(format_name, error)) from error
        check_size(image.size, label, max_pixels)
        return image
    if damage is not None:
        raise ImageError(label, damage_reason(*damage)) from damage[1]
    for pattern, kind in KNOWN_STRANGERS:
        if pattern.match(data, 0, 4096):
            raise ImageError(label, f"not an image Pillow can identify: it looks like {kind}")
    raise ImageError(label, "not an image Pillow can identify")
