"""Dividing data sets into training and validation without the same picture, or its variant, on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import ImageError
from i2v_search.images.fingerprints import Fingerprint, duplicates, fingerprint
from i2v_search.images.lookahead import map_ahead
from i2v_search.progress import Progress, Report, silent

if TYPE_CHECKING:
    from i2v_search.training.datasets.dataset import Dataset, Picture

_AHEAD = 32


@dataclass(frozen=True)
class Split:
    """Rows of the pictures of all sets in order; together all of them, each once.

    Attributes:
        training: int64, ascending.
        validation: int64, ascending.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]


def split(
    datasets: Sequence[Dataset],
    *,
    validation: float = 0.1,
    seed: int = 0,
    compare: bool = True,
    report: Report = silent,
) -> Split:
    """Divide the pictures of data sets; every set gives its share to validation.

    Pictures of one group stay together, and so do groups that share a picture: the same bytes, the same
    pixels, or nearly the same by a perceptual hash, within a set or between two. Which go where follows
    from a hash of the seed and the group's name alone, so another order of the sets changes
    nothing. Every picture is opened once; one that cannot be read is divided by its group alone.

    Args:
        datasets: any number.
        validation: share of every set, in [0, 1]; a group is never cut, so a set of few groups comes only
            near it. A set of two or more groups always gives at least one if the share is above 0.
        seed: another seed divides differently.
        compare: look for pictures that are the same or nearly; without it none is opened.
        report: called once for every picture.

    Raises:
        ValueError: `validation` is not in [0, 1].

    Example:
        >>> from i2v_search.images.sample import sample_directory
        >>> from i2v_search.training.datasets.dataset import read_dataset
        >>> found = split([read_dataset(sample_directory())], validation=0.2)
        >>> found.training.size > 3 * found.validation.size > 0
        True
    """
    if not 0 <= validation <= 1:
        raise ValueError(f"validation must be between 0 and 1, not {validation}")
    homes = [number for number, dataset in enumerate(datasets) for _ in dataset.pictures]
    keys = [(homes[row], picture.group) for row, (_, picture) in enumerate(_pictures(datasets))]
    parts = joined(keys, duplicates(fingerprints(datasets, report=report)) if compare else ())
    chosen = np.zeros(len(keys), bool)
    by_home: dict[int, list[list[int]]] = {}
    for rows in parts:
        owners = [homes[row] for row in rows]
        by_home.setdefault(max(sorted(set(owners)), key=owners.count), []).append(rows)
    for home, own in by_home.items():
        wanted = round(validation * len(datasets[home]))
        for rows in _choose(
            own, [min(keys[row][1] for row in rows) for rows in own], wanted, validation, seed
        ):
            chosen[rows] = True
    return Split(np.flatnonzero(~chosen).astype(np.int64), np.flatnonzero(chosen).astype(np.int64))


def joined(keys: Sequence[object], pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Join rows with equal keys and rows of a pair, and whatever these lead to (union-find).

    Example:
        >>> joined(["a", "b", "a", "c"], [(1, 2)])
        [[0, 1, 2], [3]]
    """
    parents = list(range(len(keys)))

    def top(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    first: dict[object, int] = {}
    equal = ((row, first.setdefault(key, row)) for row, key in enumerate(keys))
    for one, other in (*equal, *pairs):
        low, high = sorted((top(one), top(other)))
        parents[high] = low
    parts: dict[int, list[int]] = {}
    for row in range(len(keys)):
        parts.setdefault(top(row), []).append(row)
    return list(parts.values())


def _choose(
    parts: list[list[int]], names: list[str], wanted: int, share: float, seed: int
) -> Iterable[list[int]]:
    """Parts in the order of their hashes as long as they fit; the smallest one if none does."""
    order = sorted(range(len(parts)), key=lambda place: (_hash(seed, names[place]), names[place]))
    taken = []
    room = wanted
    for place in order:
        if len(parts[place]) <= room:
            room -= len(parts[place])
            taken.append(parts[place])
    if not taken and share > 0 and len(parts) > 1:
        taken.append(parts[min(order, key=lambda place: len(parts[place]))])
    return taken


def _hash(seed: int, group: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{group}".encode("utf-8", "surrogatepass")).digest()


def _pictures(datasets: Sequence[Dataset]) -> Iterable[tuple[Dataset, Picture]]:
    return ((dataset, picture) for dataset in datasets for picture in dataset.pictures)


def fingerprints(datasets: Sequence[Dataset], *, report: Report = silent) -> list[Fingerprint | None]:
    """Look at every picture once, in order; None for one that cannot be read."""

    def look(entry: tuple[Dataset, Picture]) -> Fingerprint | None:
        dataset, picture = entry
        try:
            return fingerprint(dataset.read(picture), picture.path)
        except ImageError:
            return None

    total = sum(len(dataset) for dataset in datasets)
    found = []
    for one in map_ahead(look, _pictures(datasets), _AHEAD):
        found.append(one)
        report(Progress("comparing pictures", len(found), total))
    return found
