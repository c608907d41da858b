"""Views of the pictures of a collection: made from their files, encoded, reduced, and kept.

After the extraction, so that a picture whose vector is there can still get its views; each content once.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.base import Encoder, TaggedEncoder, encode_batch
from i2v_search.encoders.stream import run_batches, skipping
from i2v_search.errors import CollectionDamagedError
from i2v_search.images.crops import Box
from i2v_search.images.decoding import decode_image
from i2v_search.images.sources import Skipped, Source, SourceImage, Wanted, iter_images
from i2v_search.progress import Progress, Report
from i2v_search.search.view_forms import view_method
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.view_file import KEPT_KINDS, ViewFile, ViewKind, Views, ViewWriter, quantise, view_path

#: Views are made of a picture whose shorter side is at least so many times that of the encoder's input.
_LARGER = 2


def wanted_views(directory: Path, *, sketches: bool | None, details: bool | None) -> dict[ViewKind, bool]:
    """The kinds of views to make: those requested or, where nothing is said, those of the collection."""
    asked: dict[ViewKind, bool | None] = {"lines": sketches, "details": details}
    return {
        kind: view_path(directory, kind).exists() if said is None else said for kind, said in asked.items()
    }


def update_views(
    directory: Path,
    sources: Sequence[Source],
    encoder: Encoder,
    kinds: Mapping[ViewKind, bool],
    *,
    exclude: Sequence[str],
    wanted: Wanted,
    report: Report,
) -> None:
    """Make the views that the pictures of some sources lack; the caller holds the `WriterLock`.

    Args:
        directory: the collection.
        sources: as `extract` takes them.
        encoder: of the collection.
        kinds: from `wanted_views`; the file of one that is not wanted is deleted.
        exclude: as `extract` takes it.
        wanted: likewise.
        report: called with the progress.

    Raises:
        OSError: the disk is full or fails; what was made stays.
    """
    for kind, is_wanted in kinds.items():
        if not is_wanted:
            view_path(directory, kind).unlink(missing_ok=True)
        else:
            maker = _Maker(FeatureStore(directory), encoder, kind)
            try:
                maker.run(sources, exclude, wanted, report)
            finally:
                maker.writer.close()


def merge_views(directory: Path, others: Sequence[Path]) -> None:
    """Take the views of the pictures of a collection from others, as far as they were made the same way.

    The caller holds the `WriterLock`.
    """
    live = FeatureStore(directory).contents()
    for kind, other in product(KEPT_KINDS, others):
        try:
            source = ViewFile(view_path(other, kind))
        except (CollectionDamagedError, OSError):
            continue
        if not view_path(directory, kind).exists() or ViewFile.find(directory, source.form):
            writer = ViewWriter(directory, source.form)
            try:
                writer.copy(source, (source.complete() & live) - writer.known)
            finally:
                writer.close()


@dataclass(frozen=True)
class _Seen:
    """A picture whose views are prepared."""

    sha256: str
    boxes: Sequence[Box]


class _Maker:
    """Makes the views of one kind that pictures of a feature store lack."""

    def __init__(self, store: FeatureStore, encoder: Encoder, kind: ViewKind) -> None:
        # Tags are not needed, nor is what tags them.
        self._encoder = encoder.encoder if isinstance(encoder, TaggedEncoder) else encoder
        self._store, self._catalogue, self._kind = store, Catalogue(store), kind
        self._method = view_method(kind, store.manifest.encoder)
        self._lock = threading.Lock()
        self._shrink_to = self._encoder.shrink_to and _LARGER * self._encoder.shrink_to
        self.writer = ViewWriter(store.directory, self._method.form)
        self._wanted = store.contents() - self.writer.known

    def run(self, sources: Sequence[Source], exclude: Sequence[str], wanted: Wanted, report: Report) -> None:
        """Read the sources again, as far as they have pictures without views."""
        if not self._wanted:
            return
        total, done = len(self._wanted), 0
        images = iter_images(sources, Path(self._store.manifest.image_root), wanted, exclude=exclude)
        size = max(1, self._encoder.batch_size // self._method.form.count)
        for batch in run_batches(images, skipping(self._prepare), self._encode, size):
            if batch.output is not None:
                seen = [item for item in batch.items if isinstance(item, _Seen)]
                self.writer.append([*self._views(seen, batch.output)])
                done += len(seen)
                report(Progress(f"making {self._kind}", done, total))

    def _prepare(self, item: SourceImage | Skipped) -> tuple[_Seen | None, Any]:
        """In a worker: the encoder's inputs for a picture; None if it has its views, or no row."""
        position = None if isinstance(item, Skipped) else self._catalogue.find_path(item.path)
        if position is None or isinstance(item, Skipped):
            return None, None
        sha256 = self._store.sha256(position)
        with self._lock:
            if bytes.fromhex(sha256) not in self._wanted:
                return None, None
            self._wanted.remove(bytes.fromhex(sha256))
        content = item.read()
        if hashlib.sha256(content).hexdigest() != sha256:
            return None, None  # changed since its vector was made: the next build finds it
        picture = decode_image(content, name=item.path, shrink_to=self._shrink_to).pixels
        views = self._method.cut(picture)
        return _Seen(sha256, [box for box, _ in views]), [self._encoder.prepare(view) for _, view in views]

    def _encode(self, several: Sequence[Sequence[Any]]) -> NDArray[np.int8]:
        """(n, k) of the views of several pictures, one after the other."""
        inputs, size = [one for views in several for one in views], self._encoder.batch_size
        found = [
            encode_batch(self._encoder, inputs[start : start + size]).vectors
            for start in range(0, len(inputs), size)
        ]
        return quantise(self._method.reduce(np.concatenate(found)))

    def _views(self, seen: Sequence[_Seen], codes: NDArray[np.int8]) -> Iterator[Views]:
        start = 0
        for picture in seen:
            end = start + len(picture.boxes)
            yield Views(picture.sha256, np.array(picture.boxes), codes[start:end])
            start = end
