"""Pictures that clients have uploaded: decoded, encoded, and remembered for a while, in memory alone."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.build.features import resolve_encoder, resolve_tagger
from i2v_search.encoders.base import Encoder, encode_batch
from i2v_search.store.manifest import EncoderRecord
from i2v_search.tags.vocabulary import TAG_THRESHOLD, Tag
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.current import Shelf
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.server_settings import ServerSettings

#: Longer side of the picture that is kept of an upload.
KEPT_SIDE = 640
_QUALITY = 80
#: Tags kept of an upload.
_TAGS = 40


@dataclass(frozen=True, eq=False)
class Upload:
    """An uploaded picture.

    Attributes:
        key: SHA-256 of the file, hex.
        width: as displayed.
        height: likewise.
        vector: (d,) float32 of the collection's encoder.
        tags: the most probable first.
        picture: a small WebP.
        encoder: SHA-256 of the weights that made the vector.
    """

    key: str
    width: int
    height: int
    vector: NDArray[np.float32] = field(repr=False)
    tags: tuple[Tag, ...]
    picture: bytes = field(repr=False)
    encoder: str


class Reader:
    """Turns a file's content into an `Upload`; one thread at a time.

    Args:
        shelf: gives the collection, whose encoder and tagger are used.
        decoder: of pictures.
        settings: of the server.
    """

    def __init__(self, shelf: Shelf, decoder: Decoder, settings: ServerSettings) -> None:
        self._shelf, self._decoder, self._settings = shelf, decoder, settings
        self._encoder: Encoder | None = None
        self._made_by: tuple[EncoderRecord, EncoderRecord | None] | None = None
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Load the encoder, so that the first upload does not wait for it."""
        self._loaded()

    def made(self, upload: Upload) -> bool:
        """Whether an upload's vector is of the encoder that the collection has now."""
        return upload.encoder == self._shelf.opened().store.manifest.encoder.weights_sha256

    def read(self, content: bytes, key: str) -> Upload:
        """Decode and encode.

        Raises:
            ImageError: the picture cannot be read.
            EncoderError: the encoder cannot be loaded.
        """
        encoder = self._loaded()
        # As `Collection.search` decodes a file: the vector is the same.
        decoded = self._decoder.decode(
            content, shrink_to=encoder.shrink_to, max_pixels=self._settings.max_upload_pixels
        )
        encoding = encode_batch(encoder, [encoder.prepare(decoded.pixels)])
        tags: tuple[Tag, ...] = ()
        if encoder.vocabulary is not None and encoding.tags is not None:
            probabilities = encoding.tags[0]
            order = np.argsort(-probabilities, kind="stable")[:_TAGS]
            names, categories = encoder.vocabulary.names, encoder.vocabulary.categories
            tags = tuple(
                Tag(names[n], float(probabilities[n]), categories[n])
                for n in order.tolist()
                if probabilities[n] >= TAG_THRESHOLD
            )
        picture = webp(decoded.pixels, KEPT_SIDE)
        vector = encoding.vectors[0].copy()  # a view would keep the encoder's whole batch in memory
        weights = encoder.info.weights_sha256
        return Upload(key, decoded.width, decoded.height, vector, tags, picture, weights)

    def _loaded(self) -> Encoder:
        """The collection's encoder, loaded once, and again where the collection has another one now."""
        manifest = self._shelf.collection().store.manifest
        made_by = (manifest.encoder, manifest.tagger)
        with self._lock:
            if self._encoder is None or self._made_by != made_by:
                encoder = resolve_encoder(None, manifest, self._settings.device)
                self._encoder = resolve_tagger(None, encoder, manifest, self._settings.device)
                self._made_by = made_by
            return self._encoder


class Uploads:
    """The uploads used last.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def find(self, key: str) -> Upload | None:
        """An upload that is still kept, which counts as used."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def get(self, key: str) -> Upload:
        """An upload that is kept.

        Raises:
            Failure: it is not.
        """
        found = self.find(key)
        if found is None:
            raise Failure("upload_gone")
        return found

    def put(self, upload: Upload) -> None:
        """Keep an upload; where there are too many, that used longest ago is forgotten."""
        with self._lock:
            self._kept[upload.key] = upload
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def key_of(content: bytes) -> str:
    """What an upload is called: the SHA-256 of its file, hex."""
    return hashlib.sha256(content).hexdigest()


def webp(picture: Image.Image, side: int) -> bytes:
    """A picture as WebP, its longer side `side` pixels or less."""
    scale = side / max(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY, method=2)
    return file.getvalue()
