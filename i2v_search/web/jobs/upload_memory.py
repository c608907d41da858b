"""Uploaded pictures: decoded, encoded, and kept for a while, only in memory."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from PIL import Image

from i2v_search.search.resolved import EncodedImage
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.current_collection import CurrentCollection
from i2v_search.web.jobs.decoder_pool import Decoder

#: Longer side of the picture that is kept of an upload.
KEPT_SIDE = 640
_QUALITY = 80


@dataclass(frozen=True, eq=False)
class Upload:
    """An uploaded picture.

    Attributes:
        key: SHA-256 of the file, hex.
        width: width as displayed.
        height: height as displayed.
        encoded: as the encoder of the collection sees it.
        picture: a small WebP.
        encoder: SHA-256 of the weights that made the vector.
    """

    key: str
    width: int
    height: int
    encoded: EncodedImage
    picture: bytes = field(repr=False)
    encoder: str


class Reader:
    """Converts a file's content to an `Upload`; one thread at a time.

    Args:
        current: the current collection, with its encoder and tagger.
        decoder: decoder of pictures.
        max_pixels: of a picture.
    """

    def __init__(self, current: CurrentCollection, decoder: Decoder, max_pixels: int) -> None:
        self._current, self._decoder, self._max_pixels = current, decoder, max_pixels

    def made(self, upload: Upload) -> bool:
        """Whether an upload's vector is of the encoder that the collection has now."""
        return upload.encoder == self._current.opened().store.manifest.encoder.weights_sha256

    def read(self, content: bytes, key: str) -> Upload:
        """Decode, in the process for that, and encode.

        Raises:
            ImageError: the picture cannot be read.
            EncoderError: the encoder cannot be loaded.
        """
        collection = self._current.collection()
        encoder = collection.encoder
        # As `Collection.encode` decodes a file: the vector is the same.
        decoded = self._decoder.decode(content, shrink_to=encoder.shrink_to, max_pixels=self._max_pixels)
        picture = webp(decoded.pixels, KEPT_SIDE)
        encoded = collection.encode(decoded.pixels)
        encoded = replace(encoded, sha256=key, label=f"upload {key[:8]}", picture=picture)
        return Upload(key, decoded.width, decoded.height, encoded, picture, encoder.info.weights_sha256)


class Uploads:
    """The most recently used uploads.

    Args:
        most: maximum number of uploads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of stored uploads."""
        return len(self._kept)

    def find(self, key: str) -> Upload | None:
        """An upload, if it is still kept; marks it as used."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def get(self, key: str) -> Upload:
        """An upload.

        Raises:
            Failure: it is not.
        """
        found = self.find(key)
        if found is None:
            raise Failure("upload_gone")
        return found

    def put(self, upload: Upload) -> None:
        """Keep an upload; the least recently used is dropped if there are too many."""
        with self._lock:
            self._kept[upload.key] = upload
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def key_of(content: bytes) -> str:
    """Key of an upload: the SHA-256 of its file, hex."""
    return hashlib.sha256(content).hexdigest()


def webp(picture: Image.Image, side: int, *, lossless: bool = False) -> bytes:
    """A picture as WebP, with a longer side of at most `side` pixels."""
    scale = side / max(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    if lossless:
        picture.save(file, "WEBP", lossless=True, quality=20, method=0)
    else:
        picture.save(file, "WEBP", quality=_QUALITY, method=2)
    return file.getvalue()
