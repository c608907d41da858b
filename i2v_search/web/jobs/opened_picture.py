"""What the decoder process answers, and the one picture that it keeps open between two questions.

An order has ``do``: ``decode`` a file, or tell its ``details``; give a ``region`` or a ``frame`` of the file
with SHA-256 ``key``, which stays open until another is opened or it is told to ``forget``. If that file is
not open and its content did not come with the order, the answer is ``{"unknown": true}``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from PIL import Image

from i2v_search.errors import ImageError
from i2v_search.images.animation_frames import AnimationFrames
from i2v_search.images.decoding import decode_image
from i2v_search.images.details import read_details

#: What errors call a picture.
NAME = "the picture"


class Opener:
    """Answers orders; at most one picture is open."""

    def __init__(self) -> None:
        self._key = ""
        self._open: Image.Image | AnimationFrames | None = None

    def answer(self, order: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        """Head and pixels of the answer.

        Raises:
            ImageError: the picture cannot be decoded, or has no such region or frame.
        """
        do = order.pop("do")
        if do == "decode":
            decoded = decode_image(content, name=NAME, **order)
            return _with_pixels(decoded.pixels, width=decoded.width, height=decoded.height)
        if do == "details":
            return dataclasses.asdict(read_details(content, NAME)), b""
        if do == "forget":
            self._key, self._open = "", None
            return {}, b""
        kind = Image.Image if do == "region" else AnimationFrames
        if self._key != order["key"] or not isinstance(self._open, kind):
            if not content:
                return {"unknown": True}, b""
            self._key, self._open = "", None  # the memory of one before that of the other
            self._open = _opened(kind, content)
            self._key = order["key"]
        if isinstance(self._open, AnimationFrames):
            picture = self._open.picture(order["number"])
        else:
            assert self._open is not None  # noqa: S101 - it was opened above
            picture = _region(self._open, order["box"], order["reduce"])
        return _with_pixels(picture)


def _opened(kind: type, content: bytes) -> Image.Image | AnimationFrames:
    return (
        AnimationFrames(content, NAME) if kind is AnimationFrames else decode_image(content, name=NAME).pixels
    )


def _region(picture: Image.Image, box: list[int], reduce: int) -> Image.Image:
    left, top, right, bottom = box
    if not (0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height):
        raise ImageError(NAME, f"the region is not within its {picture.width} x {picture.height} px")
    return picture.reduce(reduce, (left, top, right, bottom))


def _with_pixels(picture: Image.Image, **head: int) -> tuple[dict[str, Any], bytes]:
    return {**head, "size": picture.size}, picture.tobytes()
