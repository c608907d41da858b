"""Thumbnails: created once, named by content, kept on disk.

A file is ``<2 hex>/<SHA-256>-<side>-<form>.webp``: an image has the same thumbnail in every collection and at
every path. Forms are those of this module; files of earlier ones are deleted as all others are.

Small pictures keep their pixels. Of a strip, which would be a ribbon, a thumbnail shows the beginning.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from queue import LifoQueue

from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.picture_files import PictureFiles
from i2v_search.web.jobs.upload_memory import webp
from i2v_search.web.server_settings import LARGE_SIDE

#: Changes with what thumbnails look like; browsers and the disk then forget those before.
FORM = "2"
#: A picture whose longer side is more than so many times the other is a strip; so many are shown of it.
STRIP, SHOWN = 4, 2
#: Pictures that are kept without loss: with a longer side of so many pixels, or so many colours.
_SMALL, _COLOURS = 160, 256


@dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    Attributes:
        content: WebP.
        current: whether the image's file is unchanged since the build; if not, it must not be cached.
    """

    content: bytes
    current: bool = True


class ThumbnailCache:
    """Makes thumbnails and keeps them on disk.

    Args:
        files: where they are kept.
        decoders: decoders used in turn; who finds none free waits for one.
    """

    def __init__(self, files: PictureFiles, decoders: list[Decoder]) -> None:
        self.files = files
        self._free: LifoQueue[Decoder] = LifoQueue()
        for decoder in decoders:
            self._free.put(decoder)
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self.hits = self.made = 0

    def find(self, sha256: str, side: int) -> Thumbnail | None:
        """The thumbnail of a file's content, if it is on disk; nothing is decoded."""
        return self._read(_name_of(sha256, side))

    def get(self, collection: Collection, image: int, side: int) -> Thumbnail:
        """The thumbnail of an image, from disk or created now; only once for concurrent requests.

        Args:
            collection: collection of the image.
            image: id of the image.
            side: maximum longer side in pixels.

        Raises:
            QueryError: the collection has no such image.
            ImageError: its file cannot be read.
        """
        position = collection.store.position_of_id(image)
        sha256 = collection.store.sha256(position) if position is not None else ""
        name = _name_of(sha256, side)
        kept = self._read(name)
        if kept is not None:
            return kept
        with self._lock:
            turn = self._making.setdefault(name, threading.Lock())
        try:
            with turn:
                kept = self._read(name)
                return kept if kept is not None else self._make(collection, image, side, name, sha256)
        finally:
            with self._lock:
                self._making.pop(name, None)

    def decode(self, content: bytes, shrink_to: int | None = None) -> Image.Image:
        """Decode a file's content by the next decoder that is free; for other pictures than thumbnails, too.

        Raises:
            ImageError: it cannot be decoded, or takes too long.
        """
        decoder = self._free.get()
        try:
            return decoder.decode(content, shrink_to=shrink_to).pixels
        finally:
            self._free.put(decoder)

    def _make(self, collection: Collection, image: int, side: int, name: str, sha256: str) -> Thumbnail:
        content = collection.image_bytes(image)
        small = _reduced(self.decode(content, side), side)
        self.made += 1
        if hashlib.sha256(content).hexdigest() != sha256:
            return Thumbnail(small, current=False)
        self.files.keep(name, small)
        return Thumbnail(small)

    def _read(self, name: str) -> Thumbnail | None:
        content = self.files.find(name)
        if content is None:
            return None
        with self._lock:
            self.hits += 1
        return Thumbnail(content)


def _name_of(sha256: str, side: int) -> str:
    return f"{sha256}-{side}-{FORM}.webp"


def beginning(picture: Image.Image) -> Image.Image:
    """What is shown of a picture: of a strip its beginning, of any other all."""
    width, height = picture.size
    if height > STRIP * width:
        return picture.crop((0, 0, width, SHOWN * width))
    if width > STRIP * height:
        return picture.crop((0, 0, SHOWN * height, height))
    return picture


def _reduced(picture: Image.Image, side: int) -> bytes:
    """A thumbnail of a picture; lossless where no pixel changes and that takes little space."""
    if side < LARGE_SIDE:
        picture = beginning(picture)
    longer = max(picture.size)
    exact = longer <= side and (longer <= _SMALL or picture.getcolors(_COLOURS) is not None)
    return webp(picture, side, lossless=exact)
