"""An index on disk, next to the feature store it was built from.

``search-N.h5`` holds the similarity's mean and scale, what was learned of the rows (principal components, or
the centre of sign codes) and the position in the feature store of each scanned row; ``search-N.faiss`` what
FAISS scans.
``reduced-N.h5``, of older versions, holds the principal components of each row; nothing reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError, IndexStaleError
from i2v_search.files import file_sha256
from i2v_search.index.planner import UNINDEXED_ROWS, IndexPlan
from i2v_search.index.projection import Components, Form, Signs, Whole
from i2v_search.index.scanners import Settings, read_scanner, write_scanner
from i2v_search.index.similarity import Similarity
from i2v_search.index.vector_index import Measured, VectorIndex
from i2v_search.store.arrays import check_file, read_arrays, write_arrays
from i2v_search.store.checksums import Damage
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import FileRecord, IndexRecord

#: More new rows than this are not scanned beside an index: it is out of date.
MAX_UNINDEXED = 16 * UNINDEXED_ROWS


def save_index(index: VectorIndex, number: int) -> IndexRecord:
    """Write the index's files next to the feature store; the record goes into the manifest.

    Args:
        index: built, tuned or extended.
        number: for the files' names, never used before.

    Raises:
        OSError: the disk is full or fails.
    """
    directory, plan, settings, measured = index.store.directory, index.plan, index.settings, index.measured
    faiss_path = directory / f"search-{number:05d}.faiss"
    write_scanner(index.scanner, faiss_path)
    arrays: dict[str, NDArray[Any]] = {"positions": index.positions}
    arrays |= index.similarity.arrays() | index.form.arrays()
    return IndexRecord(
        generation=index.store.manifest.generation,
        rows=index.store.rows,
        live_rows=len(index.scanner),
        trained=index.trained,
        similarity=index.similarity.name,
        kind=plan.kind,
        dimensions=plan.dimensions,
        lists=plan.lists,
        refined=plan.refined,
        candidates=settings.candidates,
        effort=settings.effort,
        shortlist=settings.shortlist,
        recall_at_10=index.recall_at_10,
        query_ms=measured.query_ms if measured else None,
        query_p99_ms=measured.query_p99_ms if measured else None,
        files={
            "arrays": write_arrays(directory / f"search-{number:05d}.h5", arrays),
            "faiss": FileRecord(name=faiss_path.name, sha256=file_sha256(faiss_path)),
        },
    )


def load_index(store: FeatureStore) -> VectorIndex:
    """Load the index the manifest names.

    Raises:
        IndexStaleError: there is none, or too many rows were added since it was built.
        CollectionDamagedError: its files are missing or not what they claim to be.
    """
    record = current_index(store)
    similarity, form, positions = load_space(store)
    path = store.directory / record.files["faiss"].name
    check_file(path, record.files["faiss"].sha256)
    plan = IndexPlan(record.kind, record.dimensions, record.candidates, record.lists, record.refined)
    measured = None
    if record.query_ms is not None and record.query_p99_ms is not None:
        measured = Measured(record.recall_at_10, record.query_ms, record.query_p99_ms)
    index = VectorIndex(
        store,
        similarity,
        plan,
        read_scanner(path, plan, record.similarity, len(positions)),
        form,
        positions,
        record.live_rows if record.trained is None else record.trained,
        Settings(record.candidates, record.effort, record.shortlist),
        measured,
    )
    if len(index.unindexed) > MAX_UNINDEXED:
        raise IndexStaleError(
            f"{len(index.unindexed)} images of {store.directory} are not indexed yet; {_fix(store)}"
        )
    return index


def load_space(store: FeatureStore) -> tuple[Similarity, Form, NDArray[np.int64]]:
    """Trained values of the manifest's index, without its scanner.

    Returns:
        The similarity as it was fitted, the form of the rows, and (n,) int64 their positions.

    Raises:
        IndexStaleError: there is no index.
        CollectionDamagedError: its file is missing or not what it claims to be.
    """
    record = current_index(store)
    arrays = read_arrays(store.directory, record.files["arrays"])
    # Format 1 kept no positions: its index is refused unless it describes the store as it is.
    positions = arrays.pop("positions", store.live)
    found = {name: (values.dtype.str, values.shape) for name, values in arrays.items()}
    if found != _expected(record, store.dimension) or not _are_positions(positions, record, store):
        raise CollectionDamagedError(
            f"{record.files['arrays'].name} does not match the index; rebuild it: i2v-search index"
        )
    similarity = Similarity(record.similarity, arrays["mean"], arrays.get("scale"))
    return similarity, _form(record, arrays), positions


def remap_index(
    directory: Path, record: IndexRecord, mapping: NDArray[np.int64], number: int
) -> IndexRecord | None:
    """Carry an index over to a store whose rows have other positions.

    Args:
        directory: directory of the collection.
        record: the index.
        mapping: (rows,) int64, the new position of each old one, -1 for those that are gone.
        number: for the file's name, never used before.

    Returns:
        The index for the new store; None where this one cannot be carried over.
    """
    try:
        arrays = read_arrays(directory, record.files["arrays"])
        positions = arrays["positions"]
        if not np.all((positions >= -1) & (positions < len(mapping))):
            return None
    except (CollectionDamagedError, KeyError):
        return None
    arrays["positions"] = np.where(positions < 0, -1, mapping[positions])
    file = write_arrays(directory / f"search-{number:05d}.h5", arrays)
    rows = int(np.count_nonzero(mapping[: record.rows] >= 0))
    return record.model_copy(update={"rows": rows, "files": {**record.files, "arrays": file}})


def verify_index(directory: Path, record: IndexRecord | None) -> list[Damage]:
    """Compare the index's files with their checksums; what differs or is missing."""
    damages = []
    for file in (record.files if record else {}).values():
        try:
            check_file(directory / file.name, file.sha256)
        except CollectionDamagedError as error:
            damages.append(Damage(file.name, str(error)))
    return damages


def unindexed(store: FeatureStore) -> int:
    """Number of live rows that are not indexed, by its record: rows are only ever appended."""
    record = store.manifest.index
    return 0 if record is None else len(store) - int(np.searchsorted(store.live, record.rows))


def is_current(store: FeatureStore) -> bool:
    """Whether there is an index and it was built from, or extended to, the feature store as it is."""
    record = store.manifest.index
    return record is not None and record.generation == store.manifest.generation


def current_index(store: FeatureStore) -> IndexRecord:
    """The manifest's index.

    Raises:
        IndexStaleError: there is none, or it is of format 1 and rows were added or removed since.
    """
    record = store.manifest.index
    if record is None:
        raise IndexStaleError(f"the collection {store.directory} has no index; {_fix(store)}")
    if record.trained is None and not is_current(store):
        raise IndexStaleError(
            f"the index of {store.directory} knows {record.live_rows} images of generation "
            f"{record.generation}, the feature store has {len(store)} of generation "
            f"{store.manifest.generation}; {_fix(store)}"
        )
    return record


def _fix(store: FeatureStore) -> str:
    return f"run: i2v-search index --collection {store.directory}"


def _expected(record: IndexRecord, dimension: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of the arrays that belong to an index, without its positions."""
    shapes: dict[str, tuple[int, ...]] = {"mean": (dimension,)}
    if record.similarity == "standardised":
        shapes["scale"] = (dimension,)
    if record.kind == "codes" or (record.similarity == "hamming" and record.trained is not None):
        shapes["centre"] = (dimension,)
    elif record.kind != "exact":
        shapes["pca_mean"] = (dimension,)
        shapes["components"] = (record.dimensions, dimension)
        shapes["explained_variance_ratio"] = (record.dimensions,)
    return {name: ("<f4", shape) for name, shape in shapes.items()}


def _form(record: IndexRecord, arrays: dict[str, NDArray[np.float32]]) -> Form:
    if record.kind == "codes" or record.similarity == "hamming":
        return Signs(arrays.get("centre", np.zeros(len(arrays["mean"]), np.float32)))
    if record.kind == "exact":
        return Whole()
    # Format 1 scanned components as they are.
    scaled = record.similarity != "l2" and record.trained is not None
    return Components(
        arrays["pca_mean"], arrays["components"], arrays["explained_variance_ratio"], scaled=scaled
    )


def _are_positions(positions: NDArray[np.int64], record: IndexRecord, store: FeatureStore) -> bool:
    return (
        positions.dtype == np.int64
        and positions.shape == (record.live_rows,)
        and bool(np.all((positions >= -1) & (positions < store.rows)))
    )
