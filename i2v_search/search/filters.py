"""Filters: conditions on tags, paths, ratings and files that every hit meets, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, reduce
from typing import Any, Final, Self, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import number, several, shown, whole
from i2v_search.choices import PictureShape
from i2v_search.errors import QueryError
from i2v_search.index.protocol import Conditions
from i2v_search.search.colours import LEAST_SHARE, PictureColours, read_colour
from i2v_search.search.column_conditions import Rows, column_mask, read_condition
from i2v_search.search.file_conditions import day_start, has_shape, match_names, read_day
from i2v_search.search.tag_query import TagTerm, parse_tags
from i2v_search.search.tag_table import TagTable
from i2v_search.store.columns import Columns
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
    names: str | Sequence[str]
    shape: PictureShape | None
    min_side: int | None
    max_side: int | None
    after: str | date | None
    before: str | date | None
    animated: bool | None
    colour: str | None
    board: str | None
    starred: bool | None
    condition: str | None


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(("min_side", "max_side"), whole),
    **dict.fromkeys(("after", "before"), read_day),
}


@dataclass(frozen=True)
class Filter:
    """Conditions that every image meets that a search, a morph or a map takes.

    Attributes:
        tags: that an image has and, with a leading ``-``, has not: ``"smile, -glasses"``, or a list of one a
            string (`i2v_search.search.tag_query`).
        paths: patterns (``birds``, ``birds/*.png``) one of which must mean its stored path, and none of those
            with a leading ``-`` (`i2v_search.store.path_patterns`). A path that itself begins with ``-`` has
            a backslash before it.
        rating: its most probable rating, ``"safe"`` for instance.
        max_explicit: the most that its rating ``explicit`` may have; that much is allowed. With either of the
            two, an image without ratings does not qualify.
        tag_threshold: an image has a tag from this probability on. 0 lets every image pass that has none of
            the tags with ``-``, for which the usual threshold then holds.
        names: words that its file name has, and with a leading ``-`` has not
            (`i2v_search.search.file_conditions`).
        shape: ``"wide"``, ``"tall"``, ``"square"`` (sides that differ by a tenth at most) or ``"strip"`` (one
            more than four times the other).
        min_side: pixels that its longer side has at least.
        max_side: pixels that it has at most.
        after: the first day, ``YYYY-MM-DD`` where this computer is, on which its file may have been modified.
        before: the last one.
        animated: whether its file has several frames, as GIF, PNG, WebP and AVIF can.
        colour: ``"#rrggbb"``, which takes at least 8 % of it, or a shade near it
            (`i2v_search.search.colours`).
        board: name of a board that it is on. Of files with one content one stands for all.
        starred: whether it is a favourite.
        condition: on the columns of the collection: ``"score > 50 and rating = general and date >= 2023"``
            (`i2v_search.search.column_conditions`).

    Raises:
        QueryError: a number is out of range, or the condition cannot be read.

    Example:
        >>> Filter("Long_Hair, -glasses", "birds/*", rating="safe").tags
        ('long hair', '-glasses')
    """

    tags: str | Sequence[str] = ()
    paths: str | Sequence[str] = ()
    rating: str | None = None
    max_explicit: float | None = None
    tag_threshold: float = TAG_THRESHOLD
    names: str | Sequence[str] = ()
    shape: PictureShape | None = None
    min_side: int | None = None
    max_side: int | None = None
    after: str | date | None = None
    before: str | date | None = None
    animated: bool | None = None
    colour: str | None = None
    board: str | None = None
    starred: bool | None = None
    condition: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(map(str, parse_tags(self.tags))))
        paths = tuple(path for path in several(self.paths) if path not in ("", "-"))
        object.__setattr__(self, "paths", paths)
        names = tuple(name for name in several(self.names) if name.removeprefix("-").removeprefix("\\"))
        object.__setattr__(self, "names", names)
        for name, check in _CHECKS.items():
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, check(name, value))
        for name, read in (("colour", read_colour), ("condition", read_condition)):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, read(value))
        for name in ("animated", "starred"):
            if (value := getattr(self, name)) is not None and not isinstance(value, bool):
                raise QueryError(f"{name} must be True, False or None, not {shown(value)}")
        if self.shape is not None and self.shape not in get_args(PictureShape):
            known = ", ".join(get_args(PictureShape))
            raise QueryError(f"unknown shape {shown(self.shape)}; available: {known}")
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
        """The conditions that a backend can filter by: those on tags and ratings."""
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
            QueryError: no image of the collection has one of the tags, or the rating; its colours are not
                known; or there is no such board.
        """
        if self == Filter(tag_threshold=self.tag_threshold):
            return None
        table = table or TagTable(store)
        allowed = np.ones(store.rows, bool)
        for term in self.terms:
            allowed &= self._tagged(term, store, table)
        patterns = several(self.paths)
        if wanted := [path.removeprefix("\\") for path in patterns if not path.startswith("-")]:
            allowed &= match_paths(store, wanted)
        if unwanted := [path[1:] for path in patterns if path.startswith("-")]:
            allowed &= ~match_paths(store, unwanted)
        if self.rating is not None or self.max_explicit is not None:
            allowed &= self._rated(store)
        if self.names:
            allowed &= match_names(store, several(self.names))
        for condition in self._sized(store):
            allowed &= condition
        if self.board is not None:
            allowed &= _mask(store, table.own.board(self.board))
        if self.condition is not None:
            allowed &= column_mask(self.condition, Rows(store, Columns.of(store), table))
        if self.starred is not None:
            allowed &= _mask(store, table.own.starred()) == self.starred
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

    def _sized(self, store: FeatureStore) -> Iterator[NDArray[np.bool_]]:
        """(rows,) bool each: where shape, size, date and colour are as asked."""
        every = np.arange(store.rows)
        if self.shape is not None or self.min_side is not None or self.max_side is not None:
            widths, heights = store.column("width", every), store.column("height", every)
            longer = np.maximum(widths, heights)
            if self.shape is not None:
                yield has_shape(widths, heights, self.shape)
            if self.min_side is not None:
                yield longer >= self.min_side
            if self.max_side is not None:
                yield longer <= self.max_side
        if self.after is not None:
            yield store.column("mtime_ns", every) >= day_start(str(self.after))
        if self.before is not None:
            yield store.column("mtime_ns", every) < day_start(str(self.before), days_later=1)
        if self.animated is not None or self.colour is not None:
            colours = PictureColours.of(store)
            yield colours.known
            if self.animated is not None:
                yield colours.moving == self.animated
            if self.colour is not None:
                yield colours.shares(self.colour) >= LEAST_SHARE

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


def _mask(store: FeatureStore, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(rows,) bool: where some rows are."""
    mask = np.zeros(store.rows, bool)
    mask[rows] = True
    return mask


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
