"""Original pictures looked at closely: regions in their true pixels, frames of animations, details of files.

One original stays decoded in the decoder process for a moment, so that the next region or frame costs no
decoding; then its memory is given back.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import Any

from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.images.details import FileDetails
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.thumbnail_cache import Thumbnail
from i2v_search.web.jobs.upload_memory import webp

#: Pixels of a side of a region as it is sent.
REGION_SIDE = 1024
#: Pixels of the longer side of a frame as it is sent, and up to which its pixels are true.
FRAME_SIDE = 2048
_TRUE_FRAME_SIDE = 640
#: Seconds after the last question for which an original stays decoded.
_KEPT_SECONDS = 30.0


@dataclass(frozen=True)
class Region:
    """A part of a picture as displayed, in its pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def reduced_by(self) -> int:
        """Whole factor by which it is reduced to be sent: 1 up to `REGION_SIDE` pixels.

        >>> Region(0, 0, 1024, 10).reduced_by, Region(0, 0, 10, 1025).reduced_by
        (1, 2)
        """
        return -(-max(self.width, self.height) // REGION_SIDE)


class OriginalViewer:
    """Looks at originals in a decoder of its own; one caller at a time.

    Args:
        decoder: started when first needed.
        kept_seconds: for which an original stays decoded after the last question.
    """

    def __init__(self, decoder: Decoder, kept_seconds: float = _KEPT_SECONDS) -> None:
        self._decoder, self._kept_seconds = decoder, kept_seconds
        self._lock = threading.Lock()
        self._forgetting: threading.Timer | None = None

    def region(self, collection: Collection, image: int, region: Region) -> Thumbnail:
        """A part of an image as displayed; its pixels are true if it is not reduced.

        Raises:
            QueryError: the collection has no such image.
            ImageError: its file cannot be read, or the region is not within it.
        """
        right, bottom = region.x + region.width, region.y + region.height
        order = {"box": (region.x, region.y, right, bottom), "reduce": region.reduced_by}
        picture, current = self._look(collection, image, {"do": "region", **order})
        return Thumbnail(webp(picture, REGION_SIDE, lossless=region.reduced_by == 1), current)

    def frame(self, collection: Collection, image: int, number: int) -> Thumbnail:
        """A frame of an animation, or a page; the pixels of small ones are true.

        Raises:
            QueryError: the collection has no such image.
            ImageError: its file cannot be read, or has no such frame.
        """
        picture, current = self._look(collection, image, {"do": "frame", "number": number})
        lossless = max(picture.size) <= _TRUE_FRAME_SIDE
        return Thumbnail(webp(picture, FRAME_SIDE, lossless=lossless), current)

    def details(self, collection: Collection, image: int) -> FileDetails:
        """What an image's file says of itself.

        Raises:
            QueryError: the collection has no such image.
            ImageError: its file cannot be read.
        """
        head, _ = self._decoder.ask({"do": "details"}, collection.image_bytes(image))
        statements = tuple((kind, text) for kind, text in head["statements"])
        return FileDetails(head["format"], head["frames"], head["shown"], tuple(head["times"]), statements)

    def close(self) -> None:
        """Look at nothing any more; the decoder is closed by its owner."""
        with self._lock:
            if self._forgetting is not None:
                self._forgetting.cancel()

    def _look(self, collection: Collection, image: int, order: dict[str, Any]) -> tuple[Image.Image, bool]:
        """A picture, and whether its file is that of the collection."""
        position = collection.store.position_of_id(image)
        sha256 = key = collection.store.sha256(position) if position is not None else ""
        head, pixels = self._decoder.ask({**order, "key": key})
        if "unknown" in head:
            content = collection.image_bytes(image)
            key = hashlib.sha256(content).hexdigest()
            head, pixels = self._decoder.ask({**order, "key": key}, content)
        self._forget_later()
        return Image.frombytes("RGB", tuple(head["size"]), pixels), key == sha256

    def _forget_later(self) -> None:
        with self._lock:
            if self._forgetting is not None:
                self._forgetting.cancel()
            self._forgetting = threading.Timer(self._kept_seconds, self._decoder.forget)
            self._forgetting.daemon = True
            self._forgetting.start()
