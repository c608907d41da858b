"""The process that computes a map: ``python -P -m i2v_search.web.jobs.map_process COLLECTION``.

t-SNE holds Python's global lock for seconds: in the server's process every request would wait for it. The map
is written to standard output as JSON.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError
from i2v_search.index.mapping import METHOD_NAMES, CollectionMap
from i2v_search.web.schema import MapModel, MapPoint, version_of


def map_model(drawn: CollectionMap, versions: list[str]) -> MapModel:
    """A map as JSON."""
    kept = ""
    if drawn.neighbours_kept is not None:
        kept = f" {drawn.neighbours_kept:.0%} of the 10 nearest neighbours are preserved."
    sample = "" if drawn.total == len(drawn.ids) else f" An even sample of {len(drawn.ids)} of {drawn.total}."
    places: list[Any] = drawn.coordinates.tolist()
    points = [
        MapPoint(id=number, x=x, y=y, version=version)
        for number, (x, y), version in zip(drawn.ids, places, versions, strict=True)
    ]
    explained = f"Similar images lie close together ({METHOD_NAMES[drawn.method]}).{kept}{sample}"
    return MapModel(method=drawn.method, explained=explained, images=points)


def main() -> None:
    """Compute the map of a collection."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(10)
    try:
        collection = Collection.open(sys.argv[1])
        drawn = collection.map()
    except I2VSearchError as error:
        sys.stderr.write(str(error))
        sys.exit(1)
    positions = [collection.store.position_of_id(number) for number in drawn.ids]
    versions = [version_of(collection.store.sha256(place)) for place in positions if place is not None]
    sys.stdout.write(map_model(drawn, versions).model_dump_json())


if __name__ == "__main__":
    main()
