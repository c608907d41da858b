"""Options of a search, checked before the search starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self, SupportsIndex, Unpack, get_args

from i2v_search.arguments import number, require_known, shown, whole
from i2v_search.choices import SearchOrder
from i2v_search.errors import QueryError
from i2v_search.search.dials import Dials
from i2v_search.search.filters import Filter, FilterShortcuts

#: Diverse results are chosen one after the other, each compared with every one before it.
MAX_DIVERSE = 1000
#: Of what examples and texts rank, the best are put in another order: below them every picture is a result.
SORTED_HITS = 200


class RankingOptions(FilterShortcuts, total=False):
    """More options of `Collection.search`; those of `Filter` are shortcuts.

    Attributes:
        min_score: leave out hits below it.
        tag_weight: w in [0, 1]: rank by (1 - w) * similarity + w * mean probability of the wanted tags. A
            ``tag_threshold`` of 0 lets the tags only rank.
        exclude_query: leave out the examples themselves and files with the same content, as is the default.
        diverse: from 1, the plain order, to 0, as different from one another as can be: each hit is chosen
            for its score, and for being unlike the hits before it. 0.7 is a good start.
        copies: show copies too. Else the first of them that qualifies stands for all: files with the same
            content, and those that `Collection.duplicates` has found to be near copies.
        order: ``"likeness"``, or an order of `i2v_search.search.orders`, which needs no query: all images
            that meet the filter then come in it. With examples or texts it sorts their best 200 hits, and
            those are all; with tags alone it sorts all that have them.
        seed: of the order ``"random"``, a whole number from 0 on.
        by: of the order ``"column"``: the name of a column, with ``-`` before it from the largest on.
        subject: how much what the pictures of the query show counts, from 0 to 1, the default.
        style: how much the way they are drawn counts, from 0 to 1, the default: ``style=0`` finds the same
            thing in any style, ``subject=0`` anything in the same style. They multiply those of an `Example`.
    """

    min_score: float
    tag_weight: float
    exclude_query: bool
    diverse: float | None
    copies: bool
    order: SearchOrder
    seed: int
    by: str
    subject: float
    style: float


class SearchOptions(RankingOptions, total=False):
    """Options of `Collection.search_each`: `RankingOptions`, how many hits, and how many to skip."""

    top: SupportsIndex
    offset: SupportsIndex


_READ: Final[Mapping[str, Callable[[str, Any], float]]] = {
    "top": whole,
    "offset": whole,
    "min_score": number,
    "tag_weight": number,
    "diverse": number,
    "seed": whole,
    "subject": number,
    "style": number,
}


@dataclass(frozen=True)
class Request:
    """Options of a search, independent of the query; the attributes are those of `SearchOptions`."""

    filter: Filter
    top: int = 10
    offset: int = 0
    min_score: float = -1.0
    tag_weight: float = 0.0
    exclude_query: bool = True
    diverse: float | None = None
    copies: bool = False
    order: SearchOrder = "likeness"
    seed: int = 0
    by: str = ""
    subject: float = 1.0
    style: float = 1.0

    def __post_init__(self) -> None:
        for name, read in _READ.items():
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, read(name, value))
        if self.top < 1:
            raise QueryError(f"top must be at least 1, not {self.top}")
        if self.offset < 0:
            raise QueryError(f"offset must be at least 0, not {self.offset}")
        if math.isnan(self.min_score):
            raise QueryError("min_score must be a number, not nan")
        if not 0 <= self.tag_weight <= 1:
            raise QueryError(f"tag_weight must be from 0 (filter only) to 1, not {self.tag_weight}")
        if self.tag_weight and not self.filter.wanted:
            raise QueryError("tag_weight requires at least one tag without a leading '-'")
        if self.diverse is not None and not 0 <= self.diverse <= 1:
            raise QueryError(
                f"diverse must be from 0 (as different as can be) to 1 (plain order), not {self.diverse}"
            )
        self.dials.check()
        self._check_order()
        if self.diverse is not None and self.offset + self.top > MAX_DIVERSE:
            raise QueryError(
                f"diverse results are limited to the first {MAX_DIVERSE}, not "
                f"{self.offset + self.top}; request fewer, or search without diverse"
            )

    def _check_order(self) -> None:
        if self.order not in get_args(SearchOrder):
            known = ", ".join(get_args(SearchOrder))
            raise QueryError(f"unknown order {shown(self.order)}; available: {known}")
        if self.order == "board" and self.filter.board is None:
            raise QueryError("order 'board' needs the board that the pictures are on")
        if (self.order == "column") != bool(self.by):
            raise QueryError("order 'column' and by belong together: by='score', or by='-score'")
        if not 0 <= self.seed < 2**64:
            raise QueryError(f"seed must be from 0 to 2**64 - 1, not {self.seed}")
        if self.diverse is not None and self.order != "likeness":
            raise QueryError(f"diverse results have an order of their own; leave out order {self.order!r}")

    @classmethod
    def of(cls, where: Filter | None = None, **options: Unpack[SearchOptions]) -> Request:
        """Read the options of `Collection.search`.

        Raises:
            QueryError: one is out of range, or two contradict each other.
            TypeError: there is none of that name.
        """
        given: dict[str, Any] = dict(options)
        require_known(given, SearchOptions.__annotations__)
        shortcuts = {name: given.pop(name) for name in FilterShortcuts.__annotations__ if name in given}
        return cls(Filter.of(where, shortcuts), **given)  # type: ignore[arg-type]

    @property
    def dials(self) -> Dials:
        """How much subject and style of the query's pictures count."""
        return Dials(self.subject, self.style)

    def without_query(self) -> Self:
        """The same where nothing is asked for: the images of a board then come in its order."""
        if self.order == "likeness" and not self.filter.wanted and self.filter.board is not None:
            return replace(self, order="board")
        return self

    def require_ranking(self, *, has_query: bool) -> None:
        """Refuse what says nothing of the order.

        Raises:
            QueryError: there is neither an example nor a wanted tag, or wanted tags that change nothing.
        """
        if not has_query and not self.filter.wanted and self.order == "likeness":
            raise QueryError(
                "nothing to rank by; give a query, or at least one tag without a leading '-', or an order"
            )
        if not has_query and not self.dials.neutral:
            raise QueryError(
                "subject and style are dials of a query's pictures; give one, or leave both at 1"
            )
        has_order = has_query or self.order != "likeness"
        if has_order and self.filter.wanted and not (self.tag_weight or self.filter.tag_threshold):
            raise QueryError(
                "with tag_threshold 0 and tag_weight 0 the tags have no effect; set a threshold to "
                "filter, or a weight to rank"
            )
