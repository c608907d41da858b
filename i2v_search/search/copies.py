"""Rows of the same picture: those of one content, and those proven to be copies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from i2v_search.search.proven_copies import read_proven
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore


class CopyGroups:
    """Groups of live rows that are copies of one another; found when first needed.

    Args:
        store: the feature store.
        catalogue: catalogue of the same store.
    """

    def __init__(self, store: FeatureStore, catalogue: Catalogue) -> None:
        self._store, self._catalogue = store, catalogue

    @cached_property
    def group_of(self) -> NDArray[np.int64] | None:
        """(rows,) int64: a number that copies have in common; None if no row has a copy."""
        contents = self._catalogue.shared_contents()
        group_of = np.arange(self._store.rows)
        for rows in contents:
            group_of[rows] = rows[0]
        proven = read_proven(self._store.directory)
        pairs = np.frombuffer(b"".join(part for pair in proven.items() for part in pair), np.uint8)
        found = self._catalogue.find_contents(pairs.reshape(-1, 32))
        for copies, best in zip(found[::2], found[1::2], strict=True):
            if copies and best:
                group_of[copies] = group_of[best[0]]
        return group_of if contents or any(found) else None

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
