"""Details of a collection, and of each of its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from i2v_search.encoders.lite_dials import has_dials
from i2v_search.escapes import JsonReady
from i2v_search.index.index_files import unindexed
from i2v_search.search.views import count_viewed
from i2v_search.store.columns import FILE_NAME as COLUMNS_FILE
from i2v_search.store.columns import ColumnKind, Columns, Value
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.view_file import KEPT_KINDS, ViewKind, view_path
from i2v_search.tags.vocabulary import Tag


@dataclass(frozen=True)
class CollectionInfo(JsonReady):
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
        columns: kind of each column (`i2v_search.store.columns`), by name.
        dials: whether subject and style of a query's pictures can count apart: ``search(image, style=0)``.
        views: number of different images with second vectors, by kind: ``lines`` for drawings, ``details``
            for parts; 0 where another version made them, and the next build makes them again.

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
    columns: dict[str, ColumnKind]
    dials: bool
    views: dict[ViewKind, int]

    @classmethod
    def of(cls, store: FeatureStore) -> Self:
        """Facts about a collection, of its feature store."""
        manifest, directory = store.manifest, store.directory
        record, views = manifest.index, {view_path(directory, kind).name for kind in KEPT_KINDS}
        files = sorted(manifest.file_names() | views | {COLUMNS_FILE})
        return cls(
            directory=str(directory),
            image_root=manifest.image_root,
            images=len(store),
            dead_rows=store.rows - len(store),
            dimension=store.dimension,
            encoder=manifest.encoder.id,
            similarity=manifest.similarity,
            index=record.model_dump(mode="json", exclude={"files"}) if record else None,
            unindexed=unindexed(store),
            bytes={name: (directory / name).stat().st_size for name in files if (directory / name).exists()},
            tags=len(store.tag_counts()),
            columns=Columns.of(store).kinds,
            dials=manifest.similarity == "standardised"
            and has_dials(manifest.encoder.id, manifest.encoder.weights_sha256),
            views=count_viewed(store),
        )


@dataclass(frozen=True)
class ImageInfo:
    """Details of one image: ``collection[image]``. No file is read.

    It stands for the image's id wherever one is taken: ``collection.search(image)``, ``image in collection``.

    Attributes:
        id: the image's number in the collection; never changes.
        path: relative to the collection's image root.
        size: width and height in pixels, as displayed.
        bytes: bytes of its file.
        sha256: SHA-256 of its file's content, lower-case hex.
        tags: with their probabilities, most probable first; those that people gave have 1, others less.
        columns: its values of the collection's columns, by name.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> lemon = art["fruit/lemon.webp"]
        >>> lemon == art[lemon.id], lemon in art, lemon in list(art), lemon.tags[0].name
        (True, True, True, 'food')
    """

    id: int
    path: str
    size: tuple[int, int]
    bytes: int
    sha256: str
    tags: tuple[Tag, ...] = ()
    columns: Mapping[str, Value] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, store: FeatureStore, position: int) -> Self:
        """Details of the image at a position of a feature store."""
        known = store.record(position)
        tags = tuple(sorted(known.tags, key=lambda tag: (-tag.probability, tag.name)))
        size = known.width, known.height
        columns = Columns.of(store).at(position)
        return cls(int(store.ids[position]), known.path, size, known.size, known.sha256, tags, columns)

    @property
    def rating(self) -> str | None:
        """The most probable rating; None if it has none."""
        return next((tag.name for tag in self.tags if tag.category == "rating"), None)

    def __index__(self) -> int:
        """The id."""
        return self.id
