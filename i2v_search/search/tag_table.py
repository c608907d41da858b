"""The tags of a feature store's rows by name: how probable, how common, and which of them images share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from i2v_search.search.annotated_rows import AnnotatedRows
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.vocabulary import TAG_THRESHOLD, Category, tag_spellings

#: Probabilities of as many tags are remembered, 4 bytes a row each: for the next page, or the next query.
RECENT_TAGS = 8


class TagTable:
    """Tags by name over all parts of a feature store; each question reads only what it needs.

    A *number* is a tag's place in `names`. Tags that people gave pictures themselves are certain.

    Args:
        store: the feature store.
        catalogue: catalogue of the same store; None makes one when it is needed.

    Attributes:
        own: rows with tags of people's own.
    """

    def __init__(self, store: FeatureStore, catalogue: Catalogue | None = None) -> None:
        self._store, self.own = store, AnnotatedRows(store, catalogue)
        self._recent: dict[str, NDArray[np.float32]] = {}
        self._given: dict[tuple[str, Category | None], NDArray[np.bool_]] = {}

    @cached_property
    def names(self) -> list[str]:
        """Every name that a part has, in the order they came."""
        return list(dict.fromkeys(tag.name for part in self._store.parts for tag in part.vocabulary))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of live rows with each tag, people's own left out."""
        return self._store.tag_counts()

    def probabilities(self, name: str) -> NDArray[np.float32]:
        """(rows,) float32: the probability of a tag, 0 where a row does not carry it; dead rows included."""
        if name not in self._recent:
            while len(self._recent) >= RECENT_TAGS:
                del self._recent[next(iter(self._recent))]
            self._recent[name] = self._read(name)
        stored, rows = self._recent[name], self.own.tags.get(name)
        if rows is None:
            return stored
        values = stored.copy()
        values[rows] = 1
        return values

    def given(self, name: str, category: Category | None = None) -> NDArray[np.bool_]:
        """(rows,) bool: where people gave a tag, and no encoder; of a category, or of any."""
        key = name, category
        if key not in self._given:
            while len(self._given) >= RECENT_TAGS:
                del self._given[next(iter(self._given))]
            self._given[key] = self._read_given(name, category)
        stored, rows = self._given[key], self.own.tags.get(name)
        if rows is None or category not in (None, "general"):
            return stored
        values = stored.copy()
        values[rows] = True
        return values

    def numbers_of(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Numbers of those names that the collection knows."""
        return np.array([self._numbers[name] for name in names if name in self._numbers], np.int64)

    def numbers_at(self, position: int) -> NDArray[np.int64]:
        """Numbers of the tags of a row that are at least as probable as `TAG_THRESHOLD`."""
        part, row = self._store.place(position)
        numbers, probabilities = self._store.parts[part].tag_entries(row)
        return np.asarray(self._number_map[self._firsts[part] + numbers[probabilities >= TAG_THRESHOLD]])

    def shared(
        self, positions: NDArray[np.int64], lines: NDArray[np.int64], wanted: Sequence[NDArray[np.int64]]
    ) -> list[tuple[str, ...]]:
        """Name the tags that rows share with what was requested, the rarest in the collection first.

        Args:
            positions: (n,) rows.
            lines: (n,) which of `wanted` each row answers.
            wanted: numbers of tags, for each query.

        Returns:
            For each row the names of its tags, at least as probable as `TAG_THRESHOLD`, that are wanted.
        """
        if not len(positions) or not any(len(numbers) for numbers in wanted):
            return [()] * len(positions)
        places = [self._store.place(position) for position in positions.tolist()]
        entries = [self._store.parts[part].tag_entries(row) for part, row in places]
        lengths = np.array([len(numbers) for numbers, _ in entries], np.int64)
        rows = np.repeat(np.arange(len(entries)), lengths)
        firsts = np.repeat(self._firsts[[part for part, _ in places]], lengths)
        numbers = self._number_map[firsts + np.concatenate([numbers for numbers, _ in entries])]
        mask = np.zeros((len(wanted), len(self.names)), bool)
        for line, chosen in enumerate(wanted):
            mask[line, chosen] = True
        kept = mask[lines[rows], numbers]
        kept &= np.concatenate([probabilities for _, probabilities in entries]) >= TAG_THRESHOLD
        rows, numbers = rows[kept], numbers[kept]
        order = np.argsort(rows * len(self.names) + self._commonness[numbers])
        names = self._name_array[numbers[order]].tolist()
        ends = np.searchsorted(rows[order], np.arange(len(entries) + 1)).tolist()
        return [tuple(dict.fromkeys(names[start:end])) for start, end in pairwise(ends)]

    def _read(self, name: str) -> NDArray[np.float32]:
        values, spellings = np.zeros(self._store.rows, np.float32), tag_spellings(name)
        for first, part in zip(self._store.first_positions, self._store.parts, strict=True):
            for number, tag in enumerate(part.vocabulary):
                if tag.name in spellings:
                    rows, probabilities = part.rows_with(number)
                    # A row may carry the name in two categories.
                    values[first + rows] = np.maximum(values[first + rows], probabilities)
        return values

    def _read_given(self, name: str, category: Category | None) -> NDArray[np.bool_]:
        values, spellings = np.zeros(self._store.rows, bool), tag_spellings(name)
        for first, part in zip(self._store.first_positions, self._store.parts, strict=True):
            for number, tag in enumerate(part.vocabulary):
                if tag.name in spellings and category in (None, tag.category):
                    rows, probabilities = part.rows_with(number)
                    values[first + rows[probabilities == 1]] = True
        return values

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        """Start of the numbers of each part in `_number_map`."""
        return np.cumsum([0, *(len(part.vocabulary) for part in self._store.parts)])

    @cached_property
    def _number_map(self) -> NDArray[np.int64]:
        """Numbers of each part's own tag numbers, part after part."""
        return np.array(
            [self._numbers[tag.name] for part in self._store.parts for tag in part.vocabulary], np.int64
        )

    @cached_property
    def _name_array(self) -> NDArray[np.object_]:
        return np.array(self.names, object)

    @cached_property
    def _commonness(self) -> NDArray[np.int64]:
        """Place of each number among all by how many images carry it, equal ones by name."""
        order = sorted(
            range(len(self.names)), key=lambda n: (self.counts.get(self.names[n], 0), self.names[n])
        )
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        return places
