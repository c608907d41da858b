"""How long each frame of an animation is shown, read from the file's structure; no pixel is decoded.

GIF, animated PNG and animated WebP say it in blocks that can be skipped from one to the next, so that a file
of thousands of frames costs no more than its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from i2v_search.images.png_chunks import PNG_SIGNATURE

#: Frames that are looked at; of a longer animation only the first are shown.
MOST_FRAMES: Final = 2000
#: Shorter than this (milliseconds) means "as fast as it goes", which browsers show as `_USUAL`.
_LEAST: Final = 20
_USUAL: Final = 100
_GIF_HEAD: Final = 13


def frame_times(data: bytes) -> tuple[int, ...]:
    """Milliseconds of every frame of an animation, as browsers show them; at most `MOST_FRAMES`.

    Args:
        data: the file. Where its structure breaks off, the frames before count.

    Returns:
        Nothing for a file of another kind, or with a single picture.

    Example:
        >>> import io, PIL.Image
        >>> file, frames = io.BytesIO(), [PIL.Image.new("L", (2, 2), grey) for grey in (0, 90, 200)]
        >>> frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=[40, 10, 300])
        >>> frame_times(file.getvalue())
        (40, 100, 300)
    """
    times: list[int] = []
    try:
        for time in _walk(data):
            times.append(time if time >= _LEAST else _USUAL)
            if len(times) == MOST_FRAMES:
                break
    except (IndexError, struct.error):
        pass  # cut off
    return tuple(times) if len(times) > 1 else ()


def _walk(data: bytes) -> Iterator[int]:
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _gif(data)
    if data.startswith(PNG_SIGNATURE):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return iter(())


def _gif(data: bytes) -> Iterator[int]:
    flags = data[10]
    position, time = _GIF_HEAD + _colours(flags), 0
    while True:
        kind = data[position]
        if kind == 0x21:  # an extension; the graphic control is told by 0xF9
            if data[position + 1] == 0xF9:
                time = 10 * struct.unpack_from("<H", data, position + 4)[0]
            position = _after_blocks(data, position + 2)
        elif kind == 0x2C:
            flags = data[position + 9]
            yield time
            time = 0
            position = _after_blocks(data, position + 11 + _colours(flags))
        else:
            return


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    while length := data[position]:
        position += 1 + length
    return position + 1


def _png(data: bytes) -> Iterator[int]:
    position = len(PNG_SIGNATURE)
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"fcTL":
            part, whole = struct.unpack_from(">HH", data, position + 8 + 20)
            yield round(1000 * part / (whole or 100))
        elif kind == b"IEND":
            return
        position += 12 + length


def _webp(data: bytes) -> Iterator[int]:
    position = 12
    while True:
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"ANMF":
            yield struct.unpack_from("<I", data, position + 8 + 12)[0] & 0xFFFFFF
        position += 8 + length + length % 2
