"""Make ``tests/data/format-N``: a small collection of today's format, which later versions must still open.

Run it once when the format changes, commit the result, and never change it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from i2v_search.index.index_files import save_index
from i2v_search.index.planner import plan_index
from i2v_search.index.vector_index import VectorIndex
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph_file import build_network, save_network
from i2v_search.progress import silent
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import FORMAT_VERSION, EncoderRecord, Manifest
from i2v_search.store.removals import Removal, Removals
from i2v_search.store.writer import StoreWriter, WriterLock
from i2v_search.tags.vocabulary import Tag

ROWS, DIMENSION = 12, 8


def main(target: Path) -> None:
    """Write twelve rows, one superseded, one removed, with tags of three categories and a name not UTF-8."""
    encoder = EncoderRecord(id="golden", weights_sha256="0" * 64, preprocessing="none", dimension=DIMENSION)
    manifest = Manifest(encoder=encoder, similarity="centred", image_root="/golden/images")
    manifest = manifest.updated(mounts=("folder",))
    vectors = np.random.default_rng(1).normal(size=(ROWS + 1, DIMENSION)).astype(np.float32)
    rows, norms = unit_float16(vectors)
    records = [_record(number) for number in range(ROWS)]
    with WriterLock(target):
        manifest.save(target)
        writer = StoreWriter(target, manifest)
        writer.append(records, rows[:ROWS], norms[:ROWS], [None] * ROWS)
        writer.append([_record(3)], rows[ROWS:], norms[ROWS:], [3])
        writer.remove([5])
        writer.keep_out(Removals([Removal(_record(5).path, _record(5).sha256)]))
        manifest = writer.finish()
        store = FeatureStore(target, manifest)
        plan = plan_index(len(store), DIMENSION, "centred")
        index = VectorIndex.build(store, "centred", plan)
        number = manifest.next_file
        record = save_index(index, number)
        unit_rows = UnitRows(index)
        graph = save_network(unit_rows, build_network(unit_rows, silent), target / f"graph-{number:05d}.h5")
        record = record.model_copy(update={"files": {**record.files, "graph": graph}})
        manifest.updated(index=record, next_file=number + 1).save(target)
    (target / "writer.lock").unlink(missing_ok=True)


def _record(number: int) -> ImageRecord:
    tags = (
        Tag("smile", 0.5),
        Tag(f"character {number % 3}", 1.0, "character"),
        Tag("safe", 0.9, "rating"),
    )
    name = "caf\udce9" if number == 7 else f"image {number}"
    return ImageRecord(f"folder/{name}.png", f"{number:064x}", 100 + number, 10**18 + number, 64, 48, tags)


if __name__ == "__main__":
    folder = Path(__file__).parent.parent / "tests" / "data" / f"format-{FORMAT_VERSION}"
    if folder.exists():
        sys.exit(f"{folder} is there; formats that were released never change")
    main(folder)
    for part in folder.iterdir():
        print(part.name, part.stat().st_size)
