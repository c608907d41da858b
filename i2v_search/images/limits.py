"""What a picture may cost: the checks of its header, made before anything is decoded."""

import re
from typing import Final

from i2v_search.errors import ImageError

MAX_PIXELS: Final = 100_000_000

MAX_SIDE: Final = 65_535
"""No side may be longer: it is JPEG's own limit, and a picture thinner than that is not an illustration."""

MAX_SCANS: Final = 200
"""A progressive JPEG has about ten scans; each costs a pass over the whole picture, however few its bytes."""

MAX_EXIF_BLOCKS: Final = 200
"""A JPEG has one; a camera that writes more than 64 KB of it continues in a few more."""


def check_size(size: tuple[int, int], label: str, max_pixels: int) -> None:
    """Raise `ImageError` for a picture with too many pixels, too long a side, or none at all."""
    width, height = size
    if width * height > max_pixels:
        raise ImageError(label, f"{width} x {height} px is over the limit of {max_pixels} pixels")
    if max(size) > MAX_SIDE:
        raise ImageError(label, f"{width} x {height} px has a side over the limit of {MAX_SIDE} px")
    if min(size) < 1:
        raise ImageError(label, f"{width} x {height} px has no pixels")


def check_icon(data: bytes, label: str, max_pixels: int) -> None:
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
