"""What a collection tells of itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


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
        tags: number of distinct tags.

    Example:
        >>> from i2v_search import Collection
        >>> info = Collection.open("index/art").info()
        >>> info.images, info.encoder, info.index["kind"]
        (15, 'lite', 'exact')
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
