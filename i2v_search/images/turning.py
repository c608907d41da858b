"""How the EXIF orientation asks a picture to be turned."""

from typing import Final

import PIL.Image

from i2v_search.images.reasons import DECODE_ERRORS

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
