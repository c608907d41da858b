"""The process that computes a map: ``python -P -m i2v_search.web.jobs.map_process COLLECTION FOLDER BYTES``.

t-SNE holds Python's global lock for seconds: in the server's process every request would wait for it. Lines
of progress are written to standard output as JSON, and the map as the last one. FOLDER keeps places between
runs.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError
from i2v_search.index.map_cache import MapCache
from i2v_search.index.mapping import METHOD_NAMES, CollectionMap
from i2v_search.progress import Progress
from i2v_search.search.map_regions import name_regions
from i2v_search.web.jobs.map_atlas import atlas_key, ratio_of
from i2v_search.web.schema import MapModel, MapPoint, MapRegion, version_of

#: The most images of a page's map; more are drawn from an even sample.
PAGE_IMAGES = 200_000


def map_model(collection: Collection, drawn: CollectionMap) -> MapModel:
    """A map as JSON, its images in an order in which neighbours follow one another."""
    kept = ""
    if drawn.neighbours_kept is not None:
        kept = f" {drawn.neighbours_kept:.0%} of the 10 nearest neighbours are preserved."
    sample = "" if drawn.total == len(drawn.ids) else f" An even sample of {len(drawn.ids)} of {drawn.total}."
    store, points, contents = collection.store, [], []
    positions = np.array([store.position_of_id(number) for number in drawn.ids], np.int64)
    for at in along_a_curve(drawn.coordinates).tolist():
        record = store.record(int(positions[at]))
        x, y = drawn.coordinates[at].tolist()
        contents.append(record.sha256)
        points.append(
            MapPoint(
                id=drawn.ids[at],
                x=round(x, 5),
                y=round(y, 5),
                version=version_of(record.sha256),
                ratio=ratio_of(record.width, record.height),
            )
        )
    regions = [
        MapRegion(name=each.name, x=each.x, y=each.y, images=each.images, level=each.level)
        for each in name_regions(store, positions, drawn.coordinates)
    ]
    explained = f"Similar images lie close together ({METHOD_NAMES[drawn.method]}).{kept}{sample}"
    return MapModel(
        method=drawn.method, explained=explained, images=points, regions=regions, atlas=atlas_key(contents)
    )


def along_a_curve(coordinates: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n,) an order of (n, 2) points of the unit square in which neighbours follow one another: a Z-order
    curve.

    >>> along_a_curve(np.array([[0.9, 0.9], [0.1, 0.1], [0.9, 0.1], [0.12, 0.1]], np.float32)).tolist()
    [1, 3, 2, 0]
    """
    cells = np.clip(coordinates.astype(np.float64) * 65535, 0, 65535).astype(np.uint64)
    codes = np.zeros(len(cells), np.uint64)
    for bit in range(16):
        for axis in range(2):
            codes |= ((cells[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(2 * bit + axis)
    return np.argsort(codes, kind="stable")


def tell(progress: Progress) -> None:
    """Write a line of progress."""
    share = progress.done / progress.total if progress.total else 0.0
    sys.stdout.write(json.dumps({"stage": progress.stage, "share": share}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Compute the map of a collection."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(10)
    directory, folder, most = sys.argv[1:]
    try:
        collection = Collection.open(directory)
        cache = MapCache(Path(folder), most_bytes=int(most))
        drawn = collection.map(images=PAGE_IMAGES, cache=cache, report=tell)
        model = map_model(collection, drawn)
    except I2VSearchError as error:
        sys.stderr.write(str(error))
        sys.exit(1)
    sys.stdout.write(model.model_dump_json())


if __name__ == "__main__":
    main()
