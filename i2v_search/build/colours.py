"""Describes the colours of pictures as a build decodes them, and those that were decoded before it did."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from i2v_search.encoders.stream import run_batches, skipping
from i2v_search.images.archives import ARCHIVE_SEPARATOR
from i2v_search.images.colours import Colours, describe_colours
from i2v_search.images.decoding import DecodedImage, decode_image
from i2v_search.images.sources import Skipped, Source, SourceImage, Wanted, iter_images
from i2v_search.progress import Progress, Report
from i2v_search.search.colour_codes import COLOUR_FORM, encode_colours
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.view_file import Views, ViewWriter

#: Descriptions that are written together.
_TOGETHER: Final = 256
#: A picture is decoded at least so large.
_SIDE: Final = 64
_WHOLE: Final = np.array([[0.0, 0.0, 1.0, 1.0]])


class ColourNotes:
    """Keeps the colours of the pictures of a collection; the caller holds the `WriterLock`.

    Args:
        directory: the collection.

    Raises:
        OSError: the disk is full or fails; what is written stays.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer = ViewWriter(directory, COLOUR_FORM)
        self._pending: list[Views] = []

    def describe(self, decoded: DecodedImage, sha256: str) -> Colours | None:
        """In a worker: the colours of a picture, by the SHA-256 (hex) of its file; None if they are known."""
        if bytes.fromhex(sha256) in self._writer.known:
            return None
        return describe_colours(decoded.pixels, is_animated=decoded.is_animated)

    def add(self, sha256: str, colours: Colours | None) -> None:
        """Keep what `describe` gave."""
        if colours is not None:
            self._pending.append(Views(sha256, _WHOLE, encode_colours(colours)[None]))
            if len(self._pending) >= _TOGETHER:
                self._write()

    def fill(
        self, sources: Sequence[Source], *, exclude: Sequence[str], wanted: Wanted, report: Report
    ) -> None:
        """Describe the pictures of some sources that the collection holds and that are not described yet."""
        self._write()
        store = FeatureStore(self._directory)
        missing = store.contents() - self._writer.known
        if not missing:
            return
        total, done = len(missing), 0
        reader = _Reader(store, missing)

        def lacks(path: str) -> bool:
            return (path.endswith(ARCHIVE_SEPARATOR) or reader.lacks(path)) and wanted(path)

        images = iter_images(sources, Path(store.manifest.image_root), lacks, exclude=exclude)
        for batch in run_batches(images, skipping(reader.read), list, _TOGETHER):
            for sha256, colours in batch.output or ():
                self.add(sha256, colours)
                done += 1
            report(Progress("describing colours", done, total))

    def close(self) -> None:
        """Write what is left, and close the file."""
        try:
            self._write()
        finally:
            self._writer.close()

    def _write(self) -> None:
        if self._pending:
            self._writer.append(self._pending)
            self._pending = []


class _Reader:
    """Decodes the pictures of a feature store that are not described, each content once."""

    def __init__(self, store: FeatureStore, missing: set[bytes]) -> None:
        self._store, self._catalogue, self._missing = store, Catalogue(store), missing
        self._lock = threading.Lock()

    def lacks(self, path: str) -> bool:
        """Whether the picture of a stored path is to be described."""
        position = self._catalogue.find_path(path)
        return position is not None and bytes.fromhex(self._store.sha256(position)) in self._missing

    def read(self, item: SourceImage | Skipped) -> tuple[None, Any]:
        """In a worker: SHA-256 and colours of a picture that lacks them; None if another copy was read."""
        position = None if isinstance(item, Skipped) else self._catalogue.find_path(item.path)
        if position is None or isinstance(item, Skipped):
            return None, None
        sha256 = self._store.sha256(position)
        with self._lock:
            if bytes.fromhex(sha256) not in self._missing:
                return None, None
            self._missing.remove(bytes.fromhex(sha256))
        content = item.read()
        if hashlib.sha256(content).hexdigest() != sha256:
            return None, None  # changed since its vector was made: the next build finds it
        decoded = decode_image(content, name=item.path, shrink_to=_SIDE)
        return None, (sha256, describe_colours(decoded.pixels, is_animated=decoded.is_animated))
