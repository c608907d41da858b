"""Fingerprints of the pictures of a collection, kept beside it, so that files are read only once.

One file, ``duplicates.cache``. It may be deleted at any time, is bound to the content of each file by its
SHA-256, and is replaced as a whole: a reader sees the old one or the new one. Whatever is wrong with it, in
whole or in part, is looked at again, and a folder that cannot be written keeps none.

========  ==================================================================================
bytes     hold
========  ==================================================================================
16        ``i2v-looks`` and the version, padded with zeros
8         number of entries n, little-endian
n * 60    entries by ascending SHA-256: SHA-256 of the file, offset (8) and length (4), BLAKE2b of
          the packed look (16)
16        BLAKE2b of all before
...       looks, each packed by zlib: SHA-256 of the pixels, frames (4), side (4), hashes (64),
          thumbnail (4,096), detail (65,536)
========  ==================================================================================
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from i2v_search.files import open_regular, replacing
from i2v_search.images.fingerprints import THUMB, Fingerprint
from i2v_search.search.duplicates.looks import Look
from i2v_search.search.duplicates.registering import SIDE

CACHE_NAME: Final = "duplicates.cache"
#: Looks that are kept, 15 to 30 kB each.
MOST_KEPT: Final = 20_000
_MAGIC: Final = b"i2v-looks 1".ljust(16, b"\0")
_ENTRY: Final = np.dtype([("content", "V32"), ("offset", "<u8"), ("length", "<u4"), ("check", "V16")])
_HEAD: Final = struct.Struct("<32sII64s")
_SIZE: Final = _HEAD.size + 4 * THUMB**2 + 4 * SIDE**2


class LookCache:
    """The looks of an earlier run, and those that this one adds.

    Args:
        directory: directory of the collection.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / CACHE_NAME
        self._entries: dict[bytes, tuple[int, int, bytes]] = {}
        self._fresh: dict[bytes, bytes] = {}
        with contextlib.suppress(OSError, ValueError, struct.error), open_regular(self._path) as file:
            self._entries = _read_entries(file)

    def find(self, content: bytes) -> Look | None:
        """The look of a file with this SHA-256; None if it is not known, or damaged.

        Several threads may ask.
        """
        packed = self._fresh.get(content) or self._packed(content)
        if packed is None:
            return None
        with contextlib.suppress(zlib.error, ValueError):
            return _unpack(content, packed)
        return None

    def add(self, look: Look) -> None:
        """Remember a look; `save` writes it."""
        self._fresh[look.fingerprint.content] = _pack(look)

    def save(self, contents: Iterable[bytes]) -> None:
        """Write what is known of some contents, where this run added any; the rest is dropped."""
        if self._fresh:
            kept: dict[bytes, bytes] = {}
            for content in contents:
                packed = self._fresh.get(content) or self._packed(content)
                if packed is not None and len(kept) < MOST_KEPT:
                    kept[content] = packed
            with contextlib.suppress(OSError), replacing(self._path) as temporary:
                _write(temporary, kept)

    def _packed(self, content: bytes) -> bytes | None:
        if content not in self._entries:
            return None
        offset, length, check = self._entries[content]
        with contextlib.suppress(OSError), open_regular(self._path) as file:
            file.seek(offset)
            packed = file.read(length)
            return packed if _check(packed) == check else None
        return None


def _read_entries(file: BinaryIO) -> dict[bytes, tuple[int, int, bytes]]:
    """Positions of looks in a file, by content; none if its table is damaged."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(24)
    count = int.from_bytes(head[16:24], "little")
    if not head.startswith(_MAGIC) or count > min(MOST_KEPT, size // _ENTRY.itemsize):
        return {}
    table = file.read(count * _ENTRY.itemsize)
    if file.read(16) != _check(head + table):
        return {}
    entries = np.frombuffer(table, _ENTRY)
    return {
        content.tobytes(): (offset, length, check.tobytes())
        for content, offset, length, check in zip(
            entries["content"],
            entries["offset"].tolist(),
            entries["length"].tolist(),
            entries["check"],
            strict=True,
        )
        if offset + length <= size and length <= 2 * _SIZE
    }


def _write(path: Path, kept: Mapping[bytes, bytes]) -> None:
    entries = np.empty(len(kept), _ENTRY)
    offset = 24 + entries.nbytes + 16
    for number, content in enumerate(sorted(kept)):
        packed = kept[content]
        entries[number] = (content, offset, len(packed), _check(packed))
        offset += len(packed)
    head = _MAGIC + len(kept).to_bytes(8, "little") + entries.tobytes()
    with path.open("wb") as file:
        file.write(head + _check(head))
        for content in sorted(kept):
            file.write(kept[content])


def _check(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _pack(look: Look) -> bytes:
    one = look.fingerprint
    head = _HEAD.pack(one.pixels, min(look.frames, 2**32 - 1), look.side, one.bits.tobytes())
    thumb = one.thumb.astype("<f4").tobytes()
    return zlib.compress(head + thumb + look.detail.tobytes(), 1)


def _unpack(content: bytes, packed: bytes) -> Look:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, _SIZE)
    if len(data) != _SIZE or not unpacker.eof:
        raise ValueError("not a look")
    pixels, frames, side, bits = _HEAD.unpack_from(data)
    if not 0 <= side <= SIDE:
        raise ValueError("not a look")
    thumb = np.frombuffer(data, "<f4", THUMB**2, _HEAD.size).astype(np.float32)
    detail = np.frombuffer(data, np.uint8, 4 * SIDE**2, _HEAD.size + thumb.nbytes)
    fingerprint = Fingerprint(content, pixels, np.frombuffer(bits, np.uint64), thumb)
    return Look(fingerprint, frames, side, detail.reshape(SIDE, SIDE, 4))
