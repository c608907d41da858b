"""Pairs of pictures that people say are not copies of one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from i2v_search.errors import AnnotationsError
from i2v_search.store.annotations.annotations import Annotations
from i2v_search.store.annotations.database import Stamp


class KeptApart:
    """The pairs of a collection, by SHA-256 as bytes; read again when they may have changed.

    Args:
        directory: of the collection.
    """

    def __init__(self, directory: Path) -> None:
        self._annotations = Annotations(directory)
        self._read: tuple[Stamp, Mapping[bytes, frozenset[bytes]] | AnnotationsError] | None = None

    @property
    def others(self) -> Mapping[bytes, frozenset[bytes]]:
        """The pictures that each one is no copy of; one that is in no pair is left out.

        Raises:
            AnnotationsError: the file cannot be used. It is not looked at again before it changes.
        """
        stamp = self._annotations.stamp
        if self._read is None or self._read[0] != stamp:
            try:
                self._read = stamp, self._pairs()
            except AnnotationsError as error:
                self._read = stamp, error
        found = self._read[1]
        if isinstance(found, AnnotationsError):
            raise AnnotationsError(str(found))
        return found

    def _pairs(self) -> Mapping[bytes, frozenset[bytes]]:
        found: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for pair in self._annotations.pictures.not_copies():
            one, other = map(bytes.fromhex, pair)
            found[one].add(other)
            found[other].add(one)
        return {one: frozenset(several) for one, several in found.items()}

    def joins(self, one: bytes, group: Iterable[bytes]) -> bool:
        """Whether a picture may be a copy of all pictures of a group."""
        return self.others.get(one, frozenset()).isdisjoint(group)
