"""Details of a collection."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class CollectionInfo:
    """Details of a collection, from `Collection.info`.

    Attributes:
        directory: directory of the collection.
        image_root: folder that image paths are relative to.
        images: number of live images.
        dead_rows: number of rows that only occupy space.
        dimension: length of a vector.
        encoder: id of the encoder.
        similarity: name of the similarity.
        index: kind, settings, recall@10, search time, predicted and measured cost; None without an index.
        unindexed: number of unindexed rows, which are scanned separately.
        bytes: size on disk, by file.
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
