"""Filters: conditions on tags, paths and ratings that every hit meets, exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import number, several, shown
from i2v_search.errors import QueryError
from i2v_search.index.protocol import Conditions
from i2v_search.search.tag_query import TagTerm, parse_tags
from i2v_search.search.tag_table import TagTable
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.path_patterns import match_paths
from i2v_search.tags.vocabulary import TAG_THRESHOLD


class FilterShortcuts(TypedDict, total=False):
    """The attributes of `Filter` as keywords."""

    tags: str | Sequence[str]
    paths: str | Sequence[str]
    rating: str | None
    max_explicit: float | None
    tag_threshold: float


@dataclass(frozen=True)
class Filter:
    """Conditions that every image meets that a search, a morph or a map takes.

    Attributes:
        tags: that an image has and, with a leading ``-``, has not: ``"smile, -glasses"``, or a list of one a
            string (`i2v_search.search.tag_query`).
        paths: patterns (``birds``, ``birds/*.png``) one of which must mean its stored path:
            `i2v_search.store.path_patterns`.
        rating: its most probable rating, ``"safe"`` for instance.
        max_explicit: the most that its rating ``explicit`` may have; that much is allowed. With either of the
            two, an image without ratings does not qualify.
        tag_threshold: an image has a tag from this probability on. 0 lets every image pass that has none of
            the tags with ``-``, for which the usual threshold then holds.

    Raises:
        QueryError: a number is out of range.

    Example:
        >>> Filter("Long_Hair, -glasses", "birds/*", rating="safe").tags
        ('long hair', '-glasses')
    """

    tags: str | Sequence[str] = ()
    paths: str | Sequence[str] = ()
    rating: str | None = None
    max_explicit: float | None = None
    tag_threshold: float = TAG_THRESHOLD

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(map(str, parse_tags(self.tags))))
        object.__setattr__(self, "paths", tuple(filter(None, several(self.paths))))
        for name in ("tag_threshold", "max_explicit"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, number(name, value))
        if not 0 <= self.tag_threshold <= 1:
            raise QueryError(
                f"tag_threshold is a probability from 0 to 1, not {self.tag_threshold}; "
                f"the default is {TAG_THRESHOLD}"
            )
        if self.max_explicit is not None and math.isnan(self.max_explicit):
            raise QueryError("max_explicit must be a probability from 0 to 1, not nan")

    @classmethod
    def of(cls, where: Self | None, shortcuts: FilterShortcuts) -> Self:
        """The filter that a caller gives as one object or by its attributes.

        Raises:
            QueryError: it is given in both ways, or is no filter.
        """
        if where is None:
            return cls(**shortcuts)
        if shortcuts:
            raise QueryError(
                f"{' and '.join(shortcuts)} and where say the same: put them into where=Filter(...)"
            )
        if not isinstance(where, cls):
            raise QueryError(f"where must be a Filter, not {shown(where)}")
        return where

    @cached_property
    def terms(self) -> tuple[TagTerm, ...]:
        """The tags as they are read."""
        return parse_tags(self.tags)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the tags that are not excluded."""
        return tuple(term.name for term in self.terms if not term.excluded)

    @property
    def conditions(self) -> Conditions:
        """The conditions that a backend can filter by: all but the paths."""
        unwanted = tuple(term.name for term in self.terms if term.excluded)
        return Conditions(self.wanted, unwanted, self.tag_threshold, self.rating, self.max_explicit)

    def allowed(self, store: FeatureStore, table: TagTable | None = None) -> NDArray[np.bool_] | None:
        """Find the rows that meet every condition.

        Args:
            store: the feature store.
            table: its tags, where the caller has it.

        Returns:
            (rows,) bool over the positions of the store, dead rows included; None without conditions.

        Raises:
            QueryError: no image of the collection has one of the tags, or the rating.
        """
        if self == Filter(tag_threshold=self.tag_threshold):
            return None
        table = table or TagTable(store)
        allowed = np.ones(store.rows, bool)
        for term in self.terms:
            allowed &= self._tagged(term, store, table)
        if self.paths:
            allowed &= match_paths(store, several(self.paths))
        if self.rating is not None or self.max_explicit is not None:
            allowed &= self._rated(store)
        return allowed

    def rows(self, store: FeatureStore) -> NDArray[np.int64]:
        """(n,) int64: positions of the live rows that meet every condition, ascending; errors of
        `allowed`."""
        allowed = self.allowed(store)
        return store.live if allowed is None else store.live[allowed[store.live]]

    def tag_scores(self, table: TagTable) -> NDArray[np.float32]:
        """(rows,) float32: the mean probability of the wanted tags, of which there must be one."""
        names = self.wanted
        total = reduce(np.add, (table.probabilities(name) for name in names))
        return np.asarray(total / np.float32(len(names)), np.float32)

    def _tagged(self, term: TagTerm, store: FeatureStore, table: TagTable) -> NDArray[np.bool_]:
        # As the store rounds probabilities: what is kept of 0.9 is a little less.
        least = np.float32(np.float16(self.tag_threshold))
        probabilities = table.probabilities(term.name)
        if term.excluded:
            return probabilities < (least or np.float32(TAG_THRESHOLD))
        marked = probabilities >= (least or np.finfo(np.float16).smallest_subnormal)
        if not marked[store.live].any():
            raise QueryError(_unknown_tag(term.name, table, self.tag_threshold))
        return marked if least else np.ones(len(marked), bool)

    def _rated(self, store: FeatureStore) -> NDArray[np.bool_]:
        """(rows,) bool: where the ratings are as asked."""
        ratings = store.ratings()
        allowed = np.ones(store.rows, bool)
        for name in (self.rating, None if self.max_explicit is None else "explicit"):
            if name is not None and name not in ratings:
                known = f"its ratings are {', '.join(sorted(ratings))}" if ratings else "it has no ratings"
                raise QueryError(f"no image of the collection has rating {name!r}: {known}")
        if self.rating is not None:
            best = np.fmax.reduce(list(ratings.values()))
            allowed &= ratings[self.rating] == best
        if self.max_explicit is not None:
            # As the store rounds probabilities: what is kept of 0.3 is a little more.
            allowed &= ratings["explicit"] <= np.float32(np.float16(self.max_explicit))
        return allowed


def _unknown_tag(name: str, table: TagTable, threshold: float) -> str:
    from difflib import get_close_matches

    known = table.counts
    if not known:
        return (
            f"no image has tag {name!r}: this collection has no tags; "
            "add tags.jsonl beside the images, or build a collection with --tagger"
        )
    if name in known:
        return (
            f"no image of the collection has tag {name!r} with a probability of {threshold} or more; "
            "lower the threshold: --tag-threshold"
        )
    close = get_close_matches(name, known, 3)
    hint = f"; did you mean {', '.join(map(repr, close))}?" if close else ""
    return f"no image of the collection has tag {name!r}{hint}"
