"""Targets of many pictures and many tags, of which each picture has few: only those are held.

A million pictures of 4,580 tags take some 100 MB, where two tables of booleans take 9.2 GB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.tags.vocabulary import Vocabulary
from i2v_search.training.datasets.dataset import Dataset, Targets


@dataclass(frozen=True)
class _Lists:
    """A list of tags for each row, one behind the other."""

    numbers: NDArray[np.int32]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> _Lists:
        ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        numbers = np.fromiter((number for row in rows for number in row), np.int32)
        return cls(numbers, ends)

    def places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Line among `rows`, and tag, of each entry of them."""
        ends = self.ends[rows]
        starts = np.where(rows > 0, self.ends[rows - 1], 0)
        counts = ends - starts
        lines = np.repeat(np.arange(len(rows)), counts)
        first = np.repeat(starts - np.cumsum(counts) + counts, counts)
        return lines, self.numbers[first + np.arange(len(lines))]


@dataclass(frozen=True)
class SparseTargets:
    """`Targets` of which only what is true, or not known, is held; `of` gives some rows of them.

    Example:
        >>> from i2v_search.images.sample import sample_directory
        >>> from i2v_search.training.datasets.dataset import read_dataset
        >>> known = Vocabulary(("birds", "glasses"), ("general", "general"))
        >>> found = SparseTargets.read([read_dataset(sample_directory())], known)
        >>> found.of(np.array([0])).positive.tolist(), found.of(np.array([0])).known.tolist()
        ([[True, False]], [[True, False]])
    """

    positive: _Lists
    unknown: _Lists
    sets: NDArray[np.int64]
    used: NDArray[np.bool_]

    @classmethod
    def read(cls, datasets: Sequence[Dataset], vocabulary: Vocabulary) -> SparseTargets:
        """What `i2v_search.training.datasets.dataset.targets` says, of the same arguments."""
        keys = zip(vocabulary.categories, vocabulary.names, strict=True)
        places = {key: place for place, key in enumerate(keys)}
        named: dict[str, list[int]] = {}
        for place, name in enumerate(vocabulary.names):
            named.setdefault(name, []).append(place)
        positive, unknown = [], []
        used = np.zeros((len(datasets), len(vocabulary)), bool)
        for number, dataset in enumerate(datasets):
            for picture in dataset.pictures:
                own = {places.get((tag.category, tag.name), -1) for tag in picture.tags} - {-1}
                positive.append(sorted(own))
                unknown.append(sorted(place for name in picture.unknown for place in named.get(name, ())))
                used[number, positive[-1]] = True
        sets = np.repeat(np.arange(len(datasets)), [len(dataset) for dataset in datasets])
        return cls(_Lists.of(positive), _Lists.of(unknown), sets, used)

    @property
    def tags(self) -> int:
        """Number of tags."""
        return int(self.used.shape[1])

    def of(self, rows: NDArray[np.int64]) -> Targets:
        """Of some rows, as tables of booleans."""
        positive, known = np.zeros((len(rows), self.tags), bool), self.used[self.sets[rows]]
        known[self.unknown.places(rows)] = False
        positive[self.positive.places(rows)] = True
        return Targets(positive, known)

    def counts(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(t,) pictures among rows that have each tag, and (t,) of which it is known."""
        positives, known = np.zeros(self.tags, np.int64), np.zeros(self.tags, np.int64)
        for start in range(0, len(rows), 4096):
            one, other = self.of(rows[start : start + 4096]).counts(
                np.arange(len(rows[start : start + 4096]))
            )
            positives, known = positives + one, known + other
        return positives, known

    def digest(self) -> bytes:
        """A hash of all of it."""
        digest = hashlib.sha256()
        for part in (self.positive, self.unknown):
            digest.update(part.numbers.tobytes() + part.ends.tobytes())
        digest.update(self.sets.tobytes() + self.used.tobytes())
        return digest.digest()
