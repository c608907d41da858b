"""The copies that are known without looking at a picture: equal files, and what `duplicates` proved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.images.archives import ARCHIVE_SEPARATOR
from i2v_search.search.duplicates.groups import Duplicate, DuplicateGroup
from i2v_search.store.feature_store import FeatureStore


@dataclass(frozen=True)
class KnownCopies:
    """Some of the groups of copies of a collection, and sums over all of them.

    Attributes:
        groups: a page of the groups: first the one whose copies take most bytes. A copy is ``"exact"``, or
            ``"near"`` whether its pixels differ or not.
        offset: number of groups before them.
        total: number of groups.
        copies: number of images that are copies of a better one.
        bytes: size of the files of those copies.
        looked: when `duplicates` last looked at the pictures, as far as is known; None: only equal files are
            known.

    Example:
        >>> from i2v_search import Collection
        >>> known = Collection.open("index/art").known_copies()
        >>> known.total, known.copies, [member.path for member in known.groups[0].members]
        (1, 1, ['fruit/apple-copy.webp', 'fruit/apple.webp'])
    """

    groups: tuple[DuplicateGroup, ...]
    offset: int
    total: int
    copies: int
    bytes: int
    looked: datetime | None


def known_group(store: FeatureStore, rows: NDArray[np.int64]) -> DuplicateGroup:
    """The group of some rows.

    Args:
        store: the feature store.
        rows: (n,) int64 with n > 1, the best first.
    """
    root, digests, vectors = Path(store.manifest.image_root), store.column("sha256", rows), store.take(rows)
    exact = (digests == digests[0]).all(axis=1).tolist()
    scores = np.minimum(vectors @ vectors[0], np.float32(1)).tolist()

    def member(at: int) -> Duplicate:
        record = store.record(int(rows[at]))
        return Duplicate(
            id=int(store.ids[rows[at]]),
            path=record.path,
            kind=None if at == 0 else "exact" if exact[at] else "near",
            score=1.0 if exact[at] else scores[at],
            width=record.width,
            height=record.height,
            bytes=record.size,
            in_archive=ARCHIVE_SEPARATOR in record.path and not _is_file(root / record.path),
        )

    best, *copies = map(member, range(len(rows)))
    copies.sort(key=lambda copy: (copy.kind != "exact", -copy.score, copy.id))
    return DuplicateGroup(copies[-1].kind or "exact", (best, *copies))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no drive can have
        return False
