"""Dividing data sets into training and validation without the same picture, or its variant, on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SplitName
from i2v_search.errors import ImageError, TrainingError
from i2v_search.images.fingerprints import Fingerprint, duplicates, fingerprint
from i2v_search.images.lookahead import map_ahead
from i2v_search.progress import Progress, Report, silent

if TYPE_CHECKING:
    from i2v_search.training.datasets.dataset import Dataset, Picture

_AHEAD = 32

#: What data sets call the parts that they are divided into.
SPLITS: Final[Mapping[str, SplitName]] = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Split:
    """Rows of the pictures of all sets in order, each once; what a set itself keeps for a test is in neither.

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

    A set that says of any picture to which ``split`` it belongs is divided as it says; pictures of which it
    says nothing are for training.

    Args:
        datasets: any number.
        validation: share of every set, in [0, 1]; a group is never cut, so a set of few groups comes only
            near it. A set of two or more groups always gives at least one if the share is above 0.
        seed: another seed divides differently.
        compare: look for pictures that are the same or nearly; without it none is opened.
        report: called once for every picture.

    Raises:
        ValueError: `validation` is not in [0, 1].
        TrainingError: a split has a name that is not in `SPLITS`.

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
    named = [split_of(picture) for _, picture in _pictures(datasets)]
    own = {home for home, name in zip(homes, named, strict=True) if name}
    if len(own) == len(datasets):
        compare = False  # nothing is left to divide
    keys = [(homes[row], picture.group) for row, (_, picture) in enumerate(_pictures(datasets))]
    parts = joined(keys, duplicates(fingerprints(datasets, report=report)) if compare else ())
    chosen = np.zeros(len(keys), bool)
    by_home: dict[int, list[list[int]]] = {}
    for rows in parts:
        owners = [homes[row] for row in rows]
        by_home.setdefault(max(sorted(set(owners)), key=owners.count), []).append(rows)
    for home, groups in by_home.items():
        wanted = round(validation * len(datasets[home]))
        names = [min(keys[row][1] for row in rows) for rows in groups]
        for rows in _choose(groups, names, wanted, validation, seed):
            chosen[rows] = True
    kept = np.ones(len(keys), bool)
    for row, (home, name) in enumerate(zip(homes, named, strict=True)):
        if home in own:
            chosen[row], kept[row] = name == "validation", name != "test"
    return Split(
        np.flatnonzero(kept & ~chosen).astype(np.int64), np.flatnonzero(kept & chosen).astype(np.int64)
    )


def split_of(picture: Picture) -> SplitName | None:
    """To which part of its data set a picture belongs, by its ``split``; None if nothing says so.

    Raises:
        TrainingError: that is no name of a part.

    Example:
        >>> from i2v_search.training.datasets.dataset import Picture
        >>> split_of(Picture("a.png", (), frozenset(), "", "", "", "", {"split": "Dev"}))
        'validation'
    """
    told = picture.facts.get("split")
    if told is None:
        return None
    if (name := SPLITS.get(str(told).strip().lower())) is None:
        raise TrainingError(f"{picture.path} is in split {str(told)!r}; use one of {', '.join(SPLITS)}")
    return name


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
