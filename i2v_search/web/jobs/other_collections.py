"""Collections that were opened before and are searched together with the current one."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from i2v_search.collection.collection import Collection
from i2v_search.collection.known_collections import KnownCollection, KnownCollections
from i2v_search.errors import CollectionError
from i2v_search.store.manifest import Manifest
from i2v_search.web.guard.failures import Failure

#: Why a collection takes no part: it is not there, was made by another encoder or is compared in another way,
#: or cannot be read or searched as it is.
Reason: TypeAlias = Literal["away", "encoder", "damaged"]


@dataclass(frozen=True)
class LeftOut:
    """A collection that takes no part in a search.

    Attributes:
        known: the collection.
        reason: why.
    """

    known: KnownCollection
    reason: Reason


class OtherCollections:
    """Opens known collections, each once per thread, and again where another process has changed it.

    Args:
        file: of the collections that were opened before; None: there are none.
    """

    def __init__(self, file: Path | None) -> None:
        self._known = None if file is None else KnownCollections(file)
        self._local = threading.local()
        self._searched: frozenset[str] = frozenset()

    def beside(
        self, current: Collection
    ) -> tuple[dict[str, tuple[KnownCollection, Collection]], list[LeftOut]]:
        """The collections that can be searched together with the current one, itself first, by key.

        Returns:
            Those, and the ones that take no part.
        """
        own = KnownCollection(str(current.directory.resolve()))
        together, left = {own.key: (own, current)}, []
        for known in () if self._known is None else self._known.all():
            if known.key == own.key:
                continue
            found = self._joining(known, current)
            if isinstance(found, Collection):
                together[known.key] = (known, found)
            else:
                left.append(LeftOut(known, found))
        self._searched |= frozenset(together)
        return together, left

    def searched(self, key: str) -> Collection:
        """A collection that took part in a search of this server.

        Raises:
            Failure: none of this key has.
        """
        known = () if self._known is None else self._known.all()
        for one in known:
            if one.key == key and key in self._searched and one.is_there:
                return self._opened(one)
        raise Failure("not_found", "no such collection was searched")

    def _joining(self, known: KnownCollection, current: Collection) -> Collection | Reason:
        """A collection that can be searched with the current one, or why it cannot."""
        if not known.is_there:
            return "away"
        try:
            manifest, own = Manifest.load(Path(known.directory)), current.store.manifest
            if (manifest.encoder, manifest.similarity) != (own.encoder, own.similarity):
                return "encoder"
            opened = self._opened(known)
            return opened if opened.is_current else "damaged"
        except (CollectionError, OSError):
            return "damaged"

    def _opened(self, known: KnownCollection) -> Collection:
        """The calling thread's own."""
        held: dict[str, tuple[Manifest, Collection]] = self._local.__dict__.setdefault("held", {})
        manifest = Manifest.load(Path(known.directory))
        if known.key not in held or held[known.key][0] != manifest:
            held[known.key] = manifest, Collection.open(known.directory)
        return held[known.key][1]
