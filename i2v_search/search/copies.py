"""Rows of the same picture: those of one content, and those proven to be copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import AnnotationsError
from i2v_search.search.kept_apart import KeptApart
from i2v_search.search.proven_copies import proven_stamp, read_proven
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore


class CopyGroups:
    """Groups of live rows that are copies of one another; found when first needed, and again when more was
    proven or kept apart.

    Args:
        store: the feature store.
        catalogue: catalogue of the same store.
    """

    def __init__(self, store: FeatureStore, catalogue: Catalogue) -> None:
        self._store, self._catalogue = store, catalogue
        self._apart = KeptApart(store.directory)
        self._known: tuple[tuple[int, int, int] | None, Mapping[bytes, frozenset[bytes]]] | None = None

    @property
    def group_of(self) -> NDArray[np.int64] | None:
        """(rows,) int64: a number that copies have in common; None if no row has a copy."""
        try:
            apart = self._apart.others
        except AnnotationsError:  # searches go on
            apart = {}
        known = proven_stamp(self._store.directory), apart
        if self._known != known:
            self._known = known
            for name in ("_groups", "_sorted", "_several"):
                self.__dict__.pop(name, None)
        return self._groups

    @property
    def several(self) -> list[NDArray[np.int64]]:
        """The live rows of each group that has more than one.

        In a group the best comes first: most pixels, then the largest file, then the oldest id. Of the groups
        the one whose others take most bytes does.
        """
        return [] if self.group_of is None else self._several

    @cached_property
    def _groups(self) -> NDArray[np.int64] | None:
        contents = self._catalogue.shared_contents()
        group_of = np.arange(self._store.rows)
        for rows in contents:
            group_of[rows] = rows[0]
        together: dict[bytes, list[bytes]] = {}
        apart = self._known[1] if self._known else {}
        for copy, best in read_proven(self._store.directory).items():
            group = together.setdefault(best, [best])
            if apart.get(copy, frozenset()).isdisjoint(group):
                group.append(copy)
        proven = [(copy, best) for best, group in together.items() for copy in group[1:]]
        pairs = np.frombuffer(b"".join(part for pair in proven for part in pair), np.uint8)
        found = self._catalogue.find_contents(pairs.reshape(-1, 32))
        for copies, kept in zip(found[::2], found[1::2], strict=True):
            if copies and kept:
                group_of[copies] = group_of[kept[0]]
        return group_of if contents or any(found) else None

    def distinct(self, rows: NDArray[np.int64]) -> int:
        """Number of different pictures among (n,) rows that are all different."""
        if self.group_of is None:
            return len(rows)
        met = np.zeros(len(self.group_of), bool)
        met[self.group_of[rows]] = True
        return int(np.count_nonzero(met))

    def firsts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first of each picture's rows, in the same order."""
        if self.group_of is None:
            return rows
        return rows[np.sort(np.unique(self.group_of[rows], return_index=True)[1])]

    def count(
        self, positions: NDArray[np.int64], allowed: NDArray[np.bool_] | None, own: Sequence[int] = ()
    ) -> list[int]:
        """Number of other rows that each of some rows stands for.

        Args:
            positions: (n,) rows.
            allowed: (rows,) bool, which rows qualify; None for all live ones.
            own: rows that do not qualify all the same.
        """
        if self.group_of is None:
            return [0] * len(positions)
        groups, rows = self._sorted
        wanted = self.group_of[positions]
        counted = []
        for first, last in zip(
            np.searchsorted(groups, wanted, "left").tolist(),
            np.searchsorted(groups, wanted, "right").tolist(),
            strict=True,
        ):
            members = rows[first:last]
            if len(members) > 1 and allowed is not None:
                members = members[allowed[members]]
            if len(members) > 1 and own:
                members = members[~np.isin(members, own)]
            counted.append(len(members) - 1)
        return counted

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Live rows by their group, and the groups."""
        assert self.group_of is not None  # noqa: S101 - `count` looked
        live = self._store.live
        order = np.argsort(self.group_of[live], kind="stable")
        return self.group_of[live][order], live[order]

    @cached_property
    def _several(self) -> list[NDArray[np.int64]]:
        groups, rows = self._sorted
        _, starts, counts = np.unique(groups, return_index=True, return_counts=True)
        inside = np.repeat(counts > 1, counts)
        groups, rows = groups[inside], rows[inside]
        if not len(rows):
            return []
        width, height, size = (
            self._store.column(name, rows).astype(np.int64) for name in ("width", "height", "size")
        )
        order = np.lexsort((self._store.ids[rows], -size, -width * height, groups))
        starts = np.concatenate([[0], np.cumsum(counts[counts > 1])[:-1]])
        size = size[order]
        freed = np.add.reduceat(size, starts) - size[starts]
        found = np.split(rows[order], starts[1:])
        return [found[at] for at in np.argsort(-freed, kind="stable").tolist()]
