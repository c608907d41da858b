"""Limits of a picture: checks of its header, made before decoding."""

import os
import re
from typing import Final

from i2v_search.errors import I2VSearchError, ImageError

MAX_PIXELS: Final = 100_000_000
"""No picture may have more, unless `PIXELS_VARIABLE` says otherwise."""

MAX_SIDE: Final = 65_535
"""No side may be longer, unless `SIDE_VARIABLE` says otherwise: it is JPEG's own limit."""

PIXELS_VARIABLE: Final = "I2V_SEARCH_MAX_PIXELS"
SIDE_VARIABLE: Final = "I2V_SEARCH_MAX_SIDE"
"""Environment variables, so that every process that decodes pictures for this one holds the same limits."""

MAX_SCANS: Final = 200
"""A progressive JPEG has about ten scans; each costs a pass over the whole picture, however few its bytes."""

MAX_EXIF_BLOCKS: Final = 200
"""A JPEG has one; a camera that writes more than 64 KB of it continues in a few more."""


def check_size(size: tuple[int, int], label: str, max_pixels: int | None) -> None:
    """Raise `ImageError` for a picture with too many pixels, too long a side, or none at all.

    Args:
        size: width and height.
        label: what errors call the picture.
        max_pixels: the caller's own limit; None takes the one that holds everywhere.
    """
    width, height = size
    most = _limit(PIXELS_VARIABLE, MAX_PIXELS) if max_pixels is None else max_pixels
    if width * height > most:
        hint = f"; {PIXELS_VARIABLE} or --max-pixels raises it" if max_pixels is None else ""
        raise ImageError(label, f"{width} x {height} px is over the limit of {most} pixels{hint}")
    longest = _limit(SIDE_VARIABLE, MAX_SIDE)
    if max(size) > longest:
        raise ImageError(
            label,
            f"{width} x {height} px has a side over the limit of {longest} px; "
            f"{SIDE_VARIABLE} or --max-side raises it",
        )
    if min(size) < 1:
        raise ImageError(label, f"{width} x {height} px has no pixels")


def _limit(variable: str, default: int) -> int:
    value = os.environ.get(variable, "").strip()
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and 0 < len(value) < 16 and int(value)):
        raise I2VSearchError(f"{variable} is {value!r}; it must be a whole number of pixels above 0")
    return int(value)


def check_icon(data: bytes, label: str, max_pixels: int | None) -> None:
    """Look at every picture inside an icon: Pillow decodes one as it opens the file, and the directory's
    sizes can lie.
    """
    for number in range(int.from_bytes(data[4:6], "little")):
        offset = int.from_bytes(data[6 + 16 * number + 12 : 6 + 16 * number + 16], "little")
        head = data[offset : offset + 24]
        if head.startswith(b"\x89PNG"):
            size = (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
        else:
            size = (
                int.from_bytes(head[4:8], "little"),
                abs(int.from_bytes(head[8:12], "little", signed=True)),
            )
        if head and min(size) > 0:
            check_size(size, label, max_pixels)


_JPEG_MARKER: Final = re.compile(rb"\xff+([^\x00\x01\xd0-\xd7\xff])")


def check_repeats(data: bytes, label: str) -> None:
    """Refuse a JPEG that repeats what costs more with every repeat.

    A scan takes a few bytes and visits all of the picture; an EXIF block makes Pillow copy all those before
    it (50 MB of them: 20 s).
    """
    if data.count(b"Exif\0\0") > MAX_EXIF_BLOCKS:
        raise ImageError(label, f"a JPEG with more than {MAX_EXIF_BLOCKS} EXIF blocks")
    if data.count(b"\xff\xda") <= MAX_SCANS:
        return
    position, scans = 2, 0
    while scans <= MAX_SCANS:
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or marker[1] == b"\xd9":  # the end; whatever follows is not this picture
            return
        scans += marker[1] == b"\xda"
        position = marker.end() + max(int.from_bytes(data[marker.end() : marker.end() + 2], "big"), 2)
    raise ImageError(label, f"a JPEG with more than {MAX_SCANS} scans")
