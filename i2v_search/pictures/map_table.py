"""A map as a table: Parquet with vectors, tags, coordinates, neighbours and thumbnails, for other programs.

Its columns are those that Embedding Atlas (https://apple.github.io/embedding-atlas) reads:

=============  =============================================================================================
``id``         id in the collection
``path``       stored path
``tags``       list of texts, most probable first
``rating``     the most probable rating, or nothing
``width``      and ``height``, in pixels
``vector``     (dimension) float32, a fixed-size list: the vector as the encoder gave it
``x``, ``y``   float32: place on the map, y upwards
``neighbors``  ``ids``: rows of this table that are nearest, the row itself first; ``distances``: 1 - score
``image``      ``bytes``: a JPEG of at most 256 pixels a side; ``path``: the stored path
=============  =============================================================================================
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from i2v_search.collection.collection import Collection
from i2v_search.collection.info import ImageInfo
from i2v_search.errors import QueryError
from i2v_search.escapes import printable
from i2v_search.files import replacing
from i2v_search.index.mapping import CollectionMap
from i2v_search.pictures.thumbnails import OnMissing, picture_of, unmentioned
from i2v_search.progress import Progress, Report, silent

#: Rows that are searched and written at a time.
_BLOCK = 256
_SIDE = 256


def write_map_table(
    collection: Collection,
    drawn: CollectionMap,
    path: str | Path,
    *,
    neighbours: int = 15,
    report: Report = silent,
    on_missing: OnMissing = unmentioned,
) -> None:
    """Write a map to a Parquet file, with what Embedding Atlas shows of each image.

    Memory: one block of 256 rows.

    Args:
        collection: collection of the map.
        drawn: result of `Collection.map`.
        path: the file; replaced whole, or left as it is.
        neighbours: number of nearest images of each, those that are on the map.
        report: called with the progress.
        on_missing: called with each image that is no longer readable, and the reason; it gets a grey picture.

    Raises:
        QueryError: pyarrow is not installed, or the map is of another collection.
        OSError: the disk is full or fails; nothing is left behind.

    Example:
        >>> from i2v_search import Collection
        >>> from pyarrow import parquet
        >>> art = Collection.open("index/art")
        >>> write_map_table(art, art.map(method="pca"), "map.parquet", neighbours=3)
        >>> parquet.read_table("map.parquet").num_rows
        15
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise QueryError(
            "a map in Parquet requires pyarrow; run: pip install 'i2v-search[parquet]'"
        ) from None
    schema = _schema(pyarrow, collection.store.dimension)
    with replacing(Path(path)) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for start, values in _blocks(collection, drawn, neighbours, on_missing):
            vectors = values.pop("vector")
            columns = {
                name: pyarrow.array(column, schema.field(name).type) for name, column in values.items()
            }
            columns["vector"] = pyarrow.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])
            writer.write_table(pyarrow.Table.from_pydict(columns, schema))
            report(Progress("exporting", start + len(vectors), len(drawn.ids)))


def _blocks(
    collection: Collection, drawn: CollectionMap, neighbours: int, on_missing: OnMissing
) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = {image: row for row, image in enumerate(drawn.ids)}
    for start in range(0, len(drawn.ids), _BLOCK):
        ids = list(drawn.ids[start : start + _BLOCK])
        images = [collection[image] for image in ids]
        places = drawn.coordinates[start : start + _BLOCK]
        names = [printable(image.path) for image in images]
        pictures = [_jpeg(collection, image, on_missing) for image in ids]
        yield (
            start,
            {
                "id": ids,
                "path": names,
                "tags": [_tags(image) for image in images],
                "rating": [image.rating for image in images],
                "width": [image.size[0] for image in images],
                "height": [image.size[1] for image in images],
                "vector": np.ascontiguousarray(collection.vectors(ids), np.float32),
                "x": places[:, 0],
                "y": 1 - places[:, 1],
                "neighbors": _neighbours(collection, ids, rows, neighbours),
                "image": [
                    {"bytes": picture, "path": name} for picture, name in zip(pictures, names, strict=True)
                ],
            },
        )


def _neighbours(
    collection: Collection, ids: list[int], rows: dict[int, int], count: int
) -> list[dict[str, Any]]:
    found = []
    results = collection.search_each(ids, top=min(count, max(len(rows) - 1, 1)), copies=True)
    for image, result in zip(ids, results, strict=True):
        near = [(rows[hit.id], 1 - hit.score) for hit in result.hits if hit.id in rows and hit.id != image]
        near.insert(0, (rows[image], 0.0))
        found.append({"ids": [row for row, _ in near], "distances": [distance for _, distance in near]})
    return found


def _tags(image: ImageInfo) -> list[str]:
    return [printable(tag.name) for tag in image.tags if tag.category != "rating"]


def _jpeg(collection: Collection, image: int, on_missing: OnMissing) -> bytes:
    picture, file = picture_of(collection, image, _SIDE, on_missing).copy(), io.BytesIO()
    picture.thumbnail((_SIDE, _SIDE))
    picture.convert("RGB").save(file, "JPEG", quality=85)
    return file.getvalue()


def _schema(pyarrow: Any, dimension: int) -> Any:
    near = [("ids", pyarrow.list_(pyarrow.int64())), ("distances", pyarrow.list_(pyarrow.float32()))]
    return pyarrow.schema(
        [
            ("id", pyarrow.int64()),
            ("path", pyarrow.string()),
            ("tags", pyarrow.list_(pyarrow.string())),
            ("rating", pyarrow.string()),
            ("width", pyarrow.int32()),
            ("height", pyarrow.int32()),
            ("vector", pyarrow.list_(pyarrow.float32(), dimension)),
            ("x", pyarrow.float32()),
            ("y", pyarrow.float32()),
            ("neighbors", pyarrow.struct(near)),
            ("image", pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])),
        ]
    )
