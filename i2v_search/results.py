"""What a collection answers: small frozen dataclasses, each with `to_dict` for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from i2v_search.escapes import printable
from i2v_search.morph import MorphQuality


@dataclass(frozen=True)
class Hit:
    """One search result.

    Attributes:
        rank: 1 for the best.
        id: the image's number in the collection; never changes.
        path: relative to the collection's image root.
        score: similarity in [-1, 1], 1 means the same vector; without a query the mean probability of the
            wanted tags; with a tag weight w, ``(1 - w) * similarity + w * mean probability``. What is like an
            image that results should be unlike has less: `i2v_search.searching.searcher`.
        tags: tags it shares with the positive examples of the query, and those asked for that it has: the
            rarest in the collection first.
        copies: how many other images that qualify show the same picture, and are left out for it.
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
        query: what was asked, for people.
        offset: how many better ones were passed over.
        more: whether more images qualify: there is a next page.
    """

    hits: tuple[Hit, ...]
    seconds: float
    query: str = ""
    offset: int = 0
    more: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {**vars(self), "query": printable(self.query), "hits": [hit.to_dict() for hit in self.hits]}


@dataclass(frozen=True)
class Stop:
    """One image of a morph.

    Attributes:
        id: None for an end or waypoint from outside the collection.
        path: relative to the collection's image root, or as it was given.
        hop: angle from the image before in radians; 0 for A.
        progress: how much of the way lies behind it, in [0, 1]: 0 for A, 1 for B
            (`i2v_search.morph.progress_along`).
        tags: a few of its tags that tell most, those of the general category first; none for an image from
            outside.
        waypoint: whether the path was told to go there.
    """

    id: int | None
    path: str
    hop: float = 0.0
    progress: float = 0.0
    tags: tuple[str, ...] = ()
    waypoint: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {**vars(self), "path": printable(self.path), "tags": list(self.tags)}


@dataclass(frozen=True)
class Morph:
    """A path of real images from A to B.

    Attributes:
        stops: A, the intermediates, B.
        method: the name of the method that found it.
        quality: how gradual it is.
        gaps: how many times it crosses between parts of the collection that nothing connects.
        seconds: time to find it.
    """

    stops: tuple[Stop, ...]
    method: str
    quality: MorphQuality
    gaps: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {
            "stops": [stop.to_dict() for stop in self.stops],
            "method": self.method,
            "quality": self.quality.to_dict(),
            "gaps": self.gaps,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class CollectionInfo:
    """What `info` tells.

    Attributes:
        directory: of the collection.
        image_root: that image paths are relative to.
        images: live images.
        dead_rows: rows that only take space.
        dimension: of a vector.
        encoder: its id.
        similarity: its name.
        index: its kind and settings, recall@10 and time of a search, what it was predicted to take and took;
            None without one.
        unindexed: images added since it was built, which are scanned beside it.
        bytes: on disk, by file.
        tags: number of different tags.
    """

    directory: str
    image_root: str
    images: int
    dead_rows: int
    dimension: int
    encoder: str
    similarity: str
    index: dict[str, Any] | None
    unindexed: int
    bytes: dict[str, int]
    tags: int

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return asdict(self)
