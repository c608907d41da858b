"""All that a file shows: every frame of an animation, every page of a document, and what is transparent.

`decode_image` looks at the first frame alone, which is enough to find what is alike. To call two files copies
of one another, all that can be seen must be the same.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import PIL.Image
from PIL import IcoImagePlugin, JpegImagePlugin, MpoImagePlugin

from i2v_search.errors import ImageError
from i2v_search.images.decoding import open_image
from i2v_search.images.limits import check_size
from i2v_search.images.quiet import quiet_pillow
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason
from i2v_search.images.rgb import exif_turn, to_srgb_layer

#: Pixels of all frames together; of a file with more, the bytes are compared instead.
MOST_FRAME_PIXELS: Final = 400_000_000


@dataclass(frozen=True)
class WholePicture:
    """A file as a viewer shows it.

    Attributes:
        pixels: the first frame, mode "RGB", as `decode_image` gives it.
        alpha: alpha of the first frame, mode "L"; None if it is opaque.
        frames: how many there are, counted until one cannot be read.
        digest: SHA-256 of size, pixels, alpha and duration of every frame.
    """

    pixels: PIL.Image.Image
    alpha: PIL.Image.Image | None
    frames: int
    digest: bytes


def decode_whole(data: bytes, name: str = "<bytes>") -> WholePicture:
    """Decode everything that a file shows.

    Frames that are damaged, or are too many to look at, count as equal only where the bytes are.

    Args:
        data: the file.
        name: what errors call it.

    Raises:
        ImageError: the first frame cannot be decoded.
    """
    digest, frames, left = hashlib.sha256(), 0, MOST_FRAME_PIXELS
    first: tuple[PIL.Image.Image, PIL.Image.Image | None] | None = None
    with quiet_pillow(), open_image(data, name, None) as opened:
        try:
            for frame in _frames(opened, data):
                check_size(frame.size, name, None)
                left -= frame.width * frame.height
                if left < 0 and first is not None:
                    digest.update(data)
                    break
                pixels, alpha = _upright(frame)
                duration = frame.info.get("duration", 0)
                digest.update(repr((pixels.size, alpha is None, round(float(duration or 0)))).encode())
                digest.update(pixels.tobytes())
                digest.update(b"" if alpha is None else alpha.tobytes())
                first = first or (pixels, alpha)
                frames += 1
            if opened.info.get("pages", 1) > 1:  # pages that are not looked at
                digest.update(data)
        except ImageError:
            if first is None:
                raise
            digest.update(data)
        except DECODE_ERRORS as error:
            if first is None:
                raise ImageError(name, damage_reason(opened.format or "image", error)) from error
            digest.update(data)
    if first is None:
        raise ImageError(name, "it is blank")
    return WholePicture(*first, frames, digest.digest())


def _upright(frame: PIL.Image.Image) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    pixels, alpha = to_srgb_layer(frame)
    turn = exif_turn(frame)
    if turn is not None:
        pixels, alpha = pixels.transpose(turn), alpha and alpha.transpose(turn)
    return (pixels.copy() if pixels is frame else pixels), alpha


def _frames(image: PIL.Image.Image, data: bytes) -> Iterator[PIL.Image.Image]:
    """Every frame or page, loaded: the same object again, or another."""
    if isinstance(image, IcoImagePlugin.IcoImageFile):
        yield from (image.ico.frame(number) for number in range(len(image.ico.entry)))
        return
    if isinstance(image, JpegImagePlugin.JpegImageFile) and "mp" in image.info:
        with MpoImagePlugin.MpoImageFile(io.BytesIO(data), "") as several:
            yield from _sought(several)
        return
    yield from _sought(image)


def _sought(image: PIL.Image.Image) -> Iterator[PIL.Image.Image]:
    number = 0
    while True:
        image.load()
        yield image
        number += 1
        try:
            image.seek(number)
        except EOFError:
            return
