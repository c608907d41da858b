"""Finds rows of a feature store, the live ones as a rule, by path and by content."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import StoredImage, read_whole, shown, whole
from i2v_search.errors import NoSuchImageError
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.path_patterns import find_named


class Catalogue:
    """Look-ups by path and by content: two sorted arrays of 64-bit hashes, 32 bytes a row, made when first
    needed.

    A hash only proposes rows; the path or the whole SHA-256 decides.

    Args:
        store: the feature store.
        positions: (n,) int64, ascending, of the rows to find; None for the live ones.
    """

    def __init__(self, store: FeatureStore, positions: NDArray[np.int64] | None = None) -> None:
        self._store = store
        self._rows = store.live if positions is None else positions

    def find_path(self, path: str) -> int | None:
        """Position of the row with a path."""
        for position in _matches(self._paths, path_key(path)):
            if self._store.path(position) == path:
                return position
        return None

    def find_content(self, sha256: str) -> list[int]:
        """Positions of the rows whose file has this SHA-256 (hex), ascending."""
        return self.find_contents(np.frombuffer(bytes.fromhex(sha256), np.uint8)[None])[0]

    def find_contents(self, digests: NDArray[np.uint8]) -> list[list[int]]:
        """Positions of the rows with each of some SHA-256, (m, 32) uint8, ascending."""
        found: list[list[int]] = [[] for _ in digests]
        for line, row in zip(*(values.tolist() for values in self.match_contents(digests)), strict=True):
            found[line].append(row)
        return found

    def match_contents(self, digests: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lines of some SHA-256, (m, 32) uint8, and the position of a row with it, once for each such row.

        Ascending by line, and for each line by position.
        """
        keys, rows = self._contents
        wanted = np.ascontiguousarray(digests[:, :8]).view(np.uint64).reshape(-1)
        first, last = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        lines = np.repeat(np.arange(len(digests)), last - first)
        starts = np.repeat(first - np.cumsum(last - first) + (last - first), last - first)
        proposed = rows[starts + np.arange(len(lines))]
        same = (self._store.column("sha256", proposed).reshape(-1, 32) == digests[lines]).all(axis=1)
        return lines[same], proposed[same]

    def shared_contents(self) -> list[NDArray[np.int64]]:
        """Positions of the live rows of each content that several have, ascending."""
        keys, rows = self._contents
        alike = np.zeros(len(keys) + 1, bool)
        alike[1:-1] = keys[1:] == keys[:-1]
        some = rows[alike[1:] | alike[:-1]]
        digests = np.ascontiguousarray(self._store.column("sha256", some)).reshape(-1, 32).view("V32").ravel()
        _, numbers, counts = np.unique(digests, return_inverse=True, return_counts=True)
        order = np.lexsort((some, numbers))
        groups = np.split(some[order], np.cumsum(counts)[:-1]) if len(some) else []
        return [group for group in groups if len(group) > 1]

    @cached_property
    def _paths(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        keys = np.fromiter(map(path_key, self._store.paths()), np.uint64, self._store.rows)
        return _sorted(keys[self._rows], self._rows)

    @cached_property
    def _contents(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        digests = self._store.column("sha256", self._rows).reshape(-1, 32)
        return _sorted(np.ascontiguousarray(digests[:, :8]).view(np.uint64).reshape(-1), self._rows)


def find_removed(store: FeatureStore, removed: Catalogue, path: str, sha256: str) -> int | None:
    """Position of the row that an image had before it was removed, unless its id is taken again.

    Args:
        store: the feature store.
        removed: catalogue of its removed rows.
        path: stored path of the image.
        sha256: of its content, hex.
    """
    for position in reversed(removed.find_content(sha256)):
        image_id = int(store.ids[position])
        if store.path(position) == path and store.position_of_id(image_id) is None:
            return position
    return None


def path_key(path: str) -> np.uint64:
    """A 64-bit hash of a path, the same on every machine."""
    return np.uint64(
        int.from_bytes(hashlib.blake2b(path.encode(errors="surrogatepass"), digest_size=8).digest(), "little")
    )


def _sorted(
    keys: NDArray[np.uint64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    order = np.argsort(keys, kind="stable")
    return keys[order], rows[order]


def _matches(table: tuple[NDArray[np.uint64], NDArray[np.int64]], key: np.uint64) -> list[int]:
    keys, rows = table
    first, last = np.searchsorted(keys, key, "left"), np.searchsorted(keys, key, "right")
    return [int(row) for row in rows[first:last]]


def find_image(
    store: FeatureStore, catalogue: Catalogue, image: StoredImage, *, whole_path: bool = False
) -> int:
    """Position of an image given by id, by stored path, or by the end of one path alone.

    With `whole_path` the end of a path is not enough.

    Raises:
        NoSuchImageError: the collection holds no such image.
        QueryError: this is neither an id nor a path.
    """
    if isinstance(image, str | os.PathLike):
        text = os.fspath(image)
        position = catalogue.find_path(text)
        if position is None and (number := read_whole(text)) is not None:
            position = store.position_of_id(number)
        if position is None:
            position = find_named(store, text, whole=whole_path)
    else:
        position = store.position_of_id(whole("the id of an image", image))
    if position is None:
        raise NoSuchImageError(f"the collection {store.directory} holds no image {shown(image)}")
    return position
