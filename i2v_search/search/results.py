"""What a collection answers: small frozen dataclasses, each with `to_dict` for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from i2v_search.escapes import printable


@dataclass(frozen=True)
class Hit:
    """One search result.

    Attributes:
        rank: 1 for the best.
        id: the image's number in the collection; never changes.
        path: relative to the collection's image root.
        score: similarity in [-1, 1], 1 means the same vector; without a query the mean probability of the
            wanted tags; with a tag weight w, ``(1 - w) * similarity + w * mean probability``. What is like an
            image that results should be unlike has less: `i2v_search.search.searcher`.
        tags: tags it shares with the positive examples of the query, and those asked for that it has: the
            rarest in the collection first.
        copies: how many other images that qualify show the same picture, and are left out for it.

    Example:
        >>> from i2v_search import Collection
        >>> hit = Collection.open("index/art").search("fruit/lemon.webp", top=1).hits[0]
        >>> hit.rank, hit.path, "fruit" in hit.tags
        (1, 'fruit/strawberry.webp', True)
    """

    rank: int
    id: int
    path: str
    score: float
    tags: tuple[str, ...] = ()
    copies: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {**vars(self), "path": printable(self.path), "tags": list(self.tags)}


@dataclass(frozen=True)
class SearchResult:
    """The answer to a query.

    Attributes:
        hits: best first.
        seconds: time the search took; of several searched together, its share.
        query: the query in words.
        offset: how many better ones were passed over.
        more: whether more images qualify: there is a next page.

    Example:
        >>> from i2v_search import Collection
        >>> result = Collection.open("index/art").search("fruit/lemon.webp", top=2)
        >>> len(result.hits), result.query, result.more
        (2, 'fruit/lemon.webp', True)
    """

    hits: tuple[Hit, ...]
    seconds: float
    query: str = ""
    offset: int = 0
    more: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {**vars(self), "query": printable(self.query), "hits": [hit.to_dict() for hit in self.hits]}
