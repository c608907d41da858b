"""The current collection, open once per thread, and reopened when another process has changed it.

A `Collection` caches what it has read; with one per thread no lock is needed, and no thread waits for
another. Files are mapped, so that their content is in memory once; each search thread holds its own search
form of an index.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TypeAlias

from i2v_search.choices import Backend, Device
from i2v_search.collection.collection import Collection
from i2v_search.collection.loaded_encoder import LoadedEncoder
from i2v_search.errors import CollectionError
from i2v_search.search.orders import CollectionOrders
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.manifest import FILE_NAME

#: Identifies a state of a collection: another manifest is another file.
Stamp: TypeAlias = tuple[int, int, int]

#: Seconds for which nobody looks whether the collection was changed.
_LOOK_EVERY = 1.0
#: Seconds after which a thread tries again to open what it could not open.
_TRY_EVERY = 5.0


class CurrentCollection:
    """Gives each thread the current collection.

    If the new state cannot be opened, e.g. during a repair, the old one stays in use.

    Args:
        first: the collection, as opened; or its directory, where it may not exist yet.
        device: where pictures are encoded, by one encoder for all threads.
    """

    def __init__(self, first: Collection | Path, device: Device = Device()) -> None:
        self._encoder, self._orders = LoadedEncoder(device), CollectionOrders()
        self._backend: Backend = "faiss"
        self._milvus_uri: str | None = None
        if isinstance(first, Collection):
            self.directory: Path = first.directory
            self._backend, self._milvus_uri = first.backend, first.milvus_uri
        else:
            self.directory = first
        self._local = threading.local()
        self._lock = threading.Lock()
        self._looked = 0.0
        self._stamp = self._look()

    @property
    def stamp(self) -> Stamp:
        """Current state of the collection's files, checked at most once per second."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked > _LOOK_EVERY:
                self._stamp, self._looked = self._look(), now
            return self._stamp

    def look_again(self) -> None:
        """Look again at the next question, however short ago the last look was."""
        with self._lock:
            self._looked = float("-inf")

    def collection(self) -> Collection:
        """The calling thread's own open collection.

        Raises:
            CollectionNotFoundError: it does not exist yet.
            CollectionError: it could not be opened, not even before.
        """
        stamp, now = self.stamp, time.monotonic()
        if getattr(self._local, "stamp", None) != stamp and now >= getattr(self._local, "again", now):
            try:
                opened = Collection(
                    self.directory,
                    backend=self._backend,
                    milvus_uri=self._milvus_uri,
                    encoder=self._encoder,
                    orders=self._orders,
                )
                self._local.catalogue = Catalogue(opened.store)
            except (CollectionError, OSError):
                if getattr(self._local, "collection", None) is None:
                    raise
                self._local.again = now + _TRY_EVERY
            else:
                self._local.collection, self._local.stamp = opened, stamp
        current: Collection = self._local.collection
        return current

    def opened(self) -> Collection:
        """The collection last given to the calling thread: its state stays the same within one request."""
        opened: Collection | None = getattr(self._local, "collection", None)
        return self.collection() if opened is None else opened

    def image_with(self, sha256: str) -> int | None:
        """Id of the image with this SHA-256 (hex) of its file, in the calling thread's collection."""
        store = self.opened().store
        positions = self._local.catalogue.find_content(sha256)
        return int(store.ids[positions[0]]) if positions else None

    def _look(self) -> Stamp:
        try:
            status = os.stat(self.directory / FILE_NAME)  # noqa: PTH116 - one call, on every request
        except OSError:
            return self._stamp if hasattr(self, "_stamp") else (0, 0, 0)
        return (status.st_ino, status.st_mtime_ns, status.st_size)
