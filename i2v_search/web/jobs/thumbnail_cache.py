"""Thumbnails on disk: created once, named by content, the least recently used deleted when there are too
many.

A file is ``<2 hex>/<SHA-256>-<side>.webp``: an image has the same thumbnail in every collection and at every
path.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue

from i2v_search.collection.collection import Collection
from i2v_search.files import read_regular
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.upload_memory import webp

_NAME = re.compile(r"[0-9a-f]{64}-\d{2,4}\.webp")
_OLD_TEMPORARY = re.compile(r"\..*\.tmp")


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
    """Thumbnails on disk, bounded in bytes.

    Args:
        folder: folder of the files; made when the first is written.
        most_bytes: of all files.
        decoders: decoders used in turn; who finds none free waits for one.
    """

    def __init__(self, folder: Path, most_bytes: int, decoders: list[Decoder]) -> None:
        self.folder, self._most = folder, most_bytes
        self._free: LifoQueue[Decoder] = LifoQueue()
        for decoder in decoders:
            self._free.put(decoder)
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self.bytes = self.hits = self.made = 0

    def load(self) -> None:
        """Read the list of files on disk, least recently used first; remove leftovers of an interrupted
        writer."""
        found: list[tuple[float, str, int]] = []
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            try:
                status = path.stat()
                if _OLD_TEMPORARY.fullmatch(path.name):
                    path.unlink()
                elif _NAME.fullmatch(path.name):
                    found.append((status.st_mtime, path.name, status.st_size))
            except OSError:
                continue  # another server has just removed it
        with self._lock:
            known = {name: size for _, name, size in sorted(found)} | self._sizes
            self._sizes, self.bytes = OrderedDict(known), sum(known.values())
        self._shrink()

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
        name = f"{sha256}-{side}.webp"
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

    def _make(self, collection: Collection, image: int, side: int, name: str, sha256: str) -> Thumbnail:
        content = collection.image_bytes(image)
        decoder = self._free.get()
        try:
            decoded = decoder.decode(content, shrink_to=side)
        finally:
            self._free.put(decoder)
        small = webp(decoded.pixels, side)
        self.made += 1
        if hashlib.sha256(content).hexdigest() != sha256:
            return Thumbnail(small, current=False)
        self._write(name, small)
        return Thumbnail(small)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _read(self, name: str) -> Thumbnail | None:
        try:
            content = read_regular(self._path(name))
        except OSError:
            return None
        if content[8:12] != b"WEBP" or int.from_bytes(content[4:8], "little") + 8 != len(content):
            return None  # the disk was full, or somebody else's file: it is made again
        with self._lock:
            self.hits += 1
            if name not in self._sizes:  # another server has made it
                self._sizes[name] = len(content)
                self.bytes += len(content)
            self._sizes.move_to_end(name)
        return Thumbnail(content)

    def _write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        temporary = path.with_name(f".{name}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError:
            # A full or read-only disk: the next request makes it again.
            with suppress(OSError):
                temporary.unlink()
            return
        with self._lock:
            self.bytes += len(content) - self._sizes.get(name, 0)
            self._sizes[name] = len(content)
            self._sizes.move_to_end(name)
        self._shrink()

    def _shrink(self) -> None:
        with self._lock:
            gone = []
            while self.bytes > self._most and self._sizes:
                name, size = self._sizes.popitem(last=False)
                self.bytes -= size
                gone.append(name)
        for name in gone:
            with suppress(OSError):
                self._path(name).unlink()
