"""HEIC and other pictures in HEIF, read by pillow-heif: cameras' photographs.

Turned and mirrored by libheif, as the file says beside its pixels; an orientation in EXIF does not count.
"""

import io

import PIL.Image

from i2v_search.errors import ImageError
from i2v_search.images.limits import check_size
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason


def open_heif(data: bytes, label: str, max_pixels: int | None) -> PIL.Image.Image:
    """Parse the header of a file; its pixels are decoded when they are asked for.

    Raises:
        ImageError: it is too large or damaged.
    """
    try:
        from pillow_heif import HeifImageFile

        image: PIL.Image.Image = HeifImageFile(io.BytesIO(data), "")  # type: ignore[no-untyped-call]
    except (*DECODE_ERRORS, ImportError) as error:
        raise ImageError(label, damage_reason("HEIF", error)) from error
    check_size(image.size, label, max_pixels)
    return image
