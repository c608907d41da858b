"""Rows of a feature store that people keep something of: boards, stars and tags of their own.

What is kept is found by content, so all rows of a file with several copies have it; on a board one row stands
for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import AnnotationsError
from i2v_search.store.annotations.annotations import Annotations
from i2v_search.store.annotations.database import Stamp
from i2v_search.store.annotations.pictures import Picture
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore


class AnnotatedRows:
    """The rows of what `Annotations` keeps, as it is when it is asked for.

    Args:
        store: the feature store.
        catalogue: catalogue of the same store; None makes one when it is needed.
    """

    def __init__(self, store: FeatureStore, catalogue: Catalogue | None = None) -> None:
        self._store, self._given = store, catalogue
        self._annotations = Annotations(store.directory)
        self._tags: tuple[Stamp, dict[str, NDArray[np.int64]]] | None = None

    @cached_property
    def _catalogue(self) -> Catalogue:
        return self._given or Catalogue(self._store)

    def board(self, name: str) -> NDArray[np.int64]:
        """(n,) int64: one live row of each picture of a board that the collection holds, in its order.

        Raises:
            QueryError: there is no such board.
        """
        boards = self._annotations.boards
        return self.firsts(boards.pictures(boards.named(name).id))

    def firsts(self, pictures: Sequence[Picture]) -> NDArray[np.int64]:
        """(n,) int64: the first live row of each picture that the collection holds, in their order."""
        found = self._rows(picture.sha256 for picture in pictures)
        return np.array([rows[0] for rows in found if rows], np.int64)

    def starred(self) -> NDArray[np.int64]:
        """(n,) int64: the live rows of the favourites."""
        return self._together(picture.sha256 for picture in self._annotations.pictures.starred())

    @property
    def tags(self) -> dict[str, NDArray[np.int64]]:
        """The live rows with each tag of people's own; none where their file cannot be read, so that searches
        go on."""
        stamp = self._annotations.stamp
        if self._tags is None or self._tags[0] != stamp:
            try:
                tagged = self._annotations.pictures.tagged()
            except AnnotationsError:
                tagged = {}
            found = {name: self._together(several) for name, several in tagged.items()}
            self._tags = stamp, {name: rows for name, rows in found.items() if len(rows)}
        return self._tags[1]

    def _together(self, digests: Iterable[str]) -> NDArray[np.int64]:
        return np.array([row for rows in self._rows(digests) for row in rows], np.int64)

    def _rows(self, digests: Iterable[str]) -> list[list[int]]:
        content = bytes.fromhex("".join(digests))
        return (
            self._catalogue.find_contents(np.frombuffer(content, np.uint8).reshape(-1, 32)) if content else []
        )
