"""Results of a collection: small frozen dataclasses, each with `to_dict` for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from i2v_search.escapes import JsonReady
from i2v_search.images.crops import Box

Reason: TypeAlias = Literal["name", "tag", "meaning"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


@dataclass(frozen=True)
class Hit(JsonReady):
    """One search result.

    Attributes:
        rank: rank of the hit; 1 for the best.
        id: id of the image; never changes.
        path: path relative to the image root of the collection.
        score: similarity in [-1, 1], 1 means the same vector; without a query the mean probability of the
            given tags; with a tag weight w, ``(1 - w) * similarity + w * mean probability``. Similarity to a
            negative example lowers it: `i2v_search.search.searcher`. 0 where an order alone was asked for.
        tags: tags shared with the positive examples of the query or with the given tags, rarest in the
            collection first.
        copies: number of other matching images of the same picture, which are not listed.
        why: what of a text it was found by: a word of its ``"name"``, of a ``"tag"``, or its ``"meaning"``.
        box: the part of it that a crop was found in: left, top, width and height as shares of its sides; None
            for the whole, or where the collection keeps no details of its images.

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
    why: tuple[Reason, ...] = ()
    box: Box | None = None


@dataclass(frozen=True)
class HitAcross(Hit):
    """A result of a search in several collections: `i2v_search.search_across`.

    Attributes:
        collection: directory of the collection that the image is of, as it was opened.

    Example:
        >>> from i2v_search import Collection, search_across
        >>> art = Collection.open("index/art")
        >>> search_across([art], "fruit/lemon.webp", top=1).hits[0].collection
        'index/art'
    """

    collection: str = ""


@dataclass(frozen=True)
class SearchResult(JsonReady):
    """Result of a search.

    Attributes:
        hits: best first.
        seconds: search time; for a batch, its share.
        query: the query in words.
        offset: number of better images that were skipped.
        more: whether there is a next page.
        looks_like_sketch: whether a picture of the query seems to be a drawing of lines; as an `Example` of
            kind ``"sketch"`` it would find pictures in colour better.
        total: number of hits of all pages; None where only the last page will tell.

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
    looks_like_sketch: bool = False
    total: int | None = None
