"""Exporting: the vectors of a collection, and what is known of its images, in files of other programs.

=========  ================================================================================================
``.npy``   (n, d) float32, and beside it ``NAME.ids.csv`` with the id and path of every row; of principal
           components also ``NAME.pca.npz`` with ``mean`` (d,), ``components`` (k, d) and
           ``explained_variance_ratio`` (k,): a query is ``(unit(vector) - mean) @ components.T``
``.h5``    everything in one file: `i2v_search.build.upkeep.hdf5_export`
``.csv``   id, path, sha256, width, height, and the tags: for each category a JSON object from name to
           probability; then the collection's columns
``.parquet``  `i2v_search.build.upkeep.parquet_export`
=========  ================================================================================================

CSV files are UTF-8. Paths and tags in them are safe to open in a spreadsheet
(`i2v_search.build.upkeep.csv_tables`), or with ``raw`` as they are.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.upkeep.csv_tables import CsvTable, open_csv
from i2v_search.build.upkeep.hdf5_export import write_hdf5
from i2v_search.build.upkeep.parquet_export import exported_name, write_parquet
from i2v_search.errors import QueryError
from i2v_search.escapes import JsonReady
from i2v_search.files import replacing
from i2v_search.index.pca import PrincipalComponents, fit_pca, neighbours_kept
from i2v_search.index.similarity import position_blocks
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.columns import Columns
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import FILE_NAME
from i2v_search.store.writer import is_own_file
from i2v_search.tags.vocabulary import CATEGORIES

SUFFIXES = (".npy", ".h5", ".csv", ".parquet")
#: Rows among which neighbours are compared, to say what components keep of them.
_SAMPLE_ROWS = 4096
#: Of every CSV file; `csv_columns` has those of a collection too.
CSV_COLUMNS = ("id", "path", "sha256", "width", "height", *CATEGORIES)


@dataclass(frozen=True)
class Export(JsonReady):
    """Result of an export.

    Attributes:
        files: the written file, and with ``.npy`` those of its components and its ids.
        images: number of rows.
        dimension: dimension of the written vectors; 0 for ``.csv``.
        explained_variance: share of the variance kept by the reduced vectors; None without reduction.
        neighbours_kept: share of the ten nearest images by similarity ``"centred"`` (the cosine after
            subtracting the mean) that are the ten nearest by the cosine of the reduced vectors, of a sample;
            None without reduction.
        bytes: total size of the files.
        seconds: wall time.

    Example:
        >>> from i2v_search import Collection
        >>> done = Collection.open("index/art").export("art.npy", pca=4)
        >>> done.files, done.images, done.dimension
        (('art.npy', 'art.pca.npz', 'art.ids.csv'), 15, 4)
    """

    files: tuple[str, ...]
    images: int
    dimension: int
    explained_variance: float | None
    bytes: int
    seconds: float
    neighbours_kept: float | None = None


def export_store(
    store: FeatureStore,
    path: Path,
    positions: NDArray[np.int64] | None = None,
    *,
    pca: int | None = None,
    unit: bool = False,
    virtual: bool = False,
    name_rows: bool = True,
    raw: bool = False,
    report: Report = silent,
) -> Export:
    """Write the images of a feature store to a file of another program, in bounded memory.

    The file appears whole or not at all.

    Args:
        store: the feature store.
        path: path of the file; its ending, one of `SUFFIXES`, says which kind.
        positions: (n,) int64, which rows, in order; None takes all live ones in the order of their ids in
            `Collection.ids`.
        pca: reduce the vectors to this many principal components of their unit rows. In ``.npy`` they take
            the place of the vectors, in ``.h5`` they come as well, with what undoes them.
        unit: write unit rows to ``.npy`` in place of vectors as the encoder gave them.
        virtual: let ``.h5`` point to the vectors in the collection's own files, relative to its own place,
            instead of copying them.
        name_rows: write ``NAME.ids.csv`` beside ``.npy``.
        raw: write paths and tags in CSV as they are, for programs; else nothing in them is a formula.
        report: called with the progress.

    Returns:
        What was written.

    Raises:
        QueryError: the ending is unknown, an option does not fit it, or the file is one of a collection's.
        CollectionDamagedError: a row differs from its checksum.
        OSError: the disk is full or fails; nothing is left behind.

    Example:
        >>> import tempfile
        >>> from i2v_search import Collection, sample_directory
        >>> folder = Path(tempfile.mkdtemp())
        >>> birds = Collection.extract(folder / "birds", [sample_directory() / "birds"])
        >>> export = export_store(birds.store, folder / "birds.npy")
        >>> np.load(folder / "birds.npy").shape == (len(birds), birds.store.dimension)
        True
    """
    started = time.perf_counter()
    suffix = path.suffix.lower()
    _require_sensible(store, path, suffix, pca=pca, unit=unit, virtual=virtual, raw=raw)
    rows = _Rows(store, store.live if positions is None else positions, report)
    components = rows.fit(pca) if pca is not None else None
    files = [path]
    with ExitStack() as written:
        # Renamed last to first: the file that was requested comes last.
        temporary = written.enter_context(replacing(path))
        if suffix == ".h5":
            write_hdf5(
                temporary,
                path,
                store,
                rows.positions,
                pca=components,
                virtual=virtual,
                blocks=rows.blocks(),
                report=report,
            )
        elif suffix == ".csv":
            rows.write_csv(temporary, raw=raw)
        elif suffix == ".parquet":
            write_parquet(temporary, store, rows.reported("exporting"))
        else:
            rows.write_npy(temporary, components, unit=unit)
            if components is not None:
                files.append(path.with_suffix(".pca.npz"))
                with written.enter_context(replacing(files[-1])).open("wb") as beside:
                    np.savez(beside, **vars(components))
            if name_rows:
                files.append(path.with_suffix(".ids.csv"))
                rows.write_names(written.enter_context(replacing(files[-1])), raw=raw)
    return Export(
        tuple(os.fspath(file) for file in files),
        len(rows.positions),
        {".csv": 0, ".parquet": 0, ".npy": pca or store.dimension}.get(suffix, store.dimension),
        None if components is None else float(components.explained_variance_ratio.sum()),
        sum(file.stat().st_size for file in files),
        time.perf_counter() - started,
        None if components is None else rows.kept(components),
    )


class _Rows:
    """The rows that are exported, block by block."""

    def __init__(self, store: FeatureStore, positions: NDArray[np.int64], report: Report) -> None:
        self.store, self.positions, self.report = store, positions, report

    def blocks(self) -> Iterator[NDArray[np.int64]]:
        """Positions of the rows, in blocks."""
        return position_blocks(self.store, self.positions)

    def fit(self, dimensions: int) -> PrincipalComponents:
        """Principal components of the unit rows."""
        if not 1 <= dimensions <= self.store.dimension or not len(self.positions):
            raise QueryError(
                f"cannot reduce {len(self.positions)} vectors of {self.store.dimension} dimensions to "
                f"{dimensions}"
            )
        return fit_pca(self._unit_rows("fitting"), dimensions)

    def kept(self, pca: PrincipalComponents) -> float | None:
        """See `Export.neighbours_kept`."""
        if len(self.positions) < 2:
            return None
        chosen = np.linspace(0, len(self.positions) - 1, min(_SAMPLE_ROWS, len(self.positions)))
        return neighbours_kept(self.store.take(self.positions[chosen.astype(np.int64)]), pca)

    def write_npy(self, path: Path, pca: PrincipalComponents | None, *, unit: bool) -> None:
        """Write vectors, or what they are reduced to."""
        dimension = self.store.dimension if pca is None else len(pca.components)
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(self.positions), dimension)}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            blocks = zip(self.blocks(), self._unit_rows("exporting"), strict=True)
            for block, rows in blocks:
                if pca is not None:
                    values = pca.transform(rows)
                else:
                    values = rows if unit else rows * self.store.norms(block)[:, None]
                file.write(np.ascontiguousarray(values, "<f4").data)

    def write_names(self, path: Path, *, raw: bool) -> None:
        """Write the id and path of every row."""
        with open_csv(path) as file:
            table = CsvTable(file, ["id", "path"], raw=raw)
            for position in self.positions.tolist():
                table.row([int(self.store.ids[position]), self.store.path(position)])

    def write_csv(self, path: Path, *, raw: bool) -> None:
        """Write everything but the vectors."""
        with open_csv(path) as file:
            table = CsvTable(file, csv_columns(self.store), raw=raw)
            for block in self.reported("exporting"):
                self.store.check(block)
                for position in block.tolist():
                    table.row(csv_row(self.store, position))

    def reported(self, stage: str) -> Iterator[NDArray[np.int64]]:
        """The blocks, each reported once it is done with."""
        done = 0
        for block in self.blocks():
            yield block
            done += len(block)
            self.report(Progress(stage, done, len(self.positions)))

    def _unit_rows(self, stage: str) -> Iterator[NDArray[np.float32]]:
        done = 0
        for block in self.blocks():
            self.store.check(block)
            yield self.store.take(block)
            done += len(block)
            self.report(Progress(stage, done, len(self.positions)))


def csv_columns(store: FeatureStore) -> list[str]:
    """The columns of a CSV file: those of every collection, then its own."""
    return [*CSV_COLUMNS, *(exported_name(name, CSV_COLUMNS) for name in Columns.of(store).kinds)]


def csv_row(store: FeatureStore, position: int) -> list[object]:
    """What `csv_columns` hold of the image at a position: the tags of a category as a JSON object, empty if
    there is none."""
    record = store.record(position)
    facts = [int(store.ids[position]), record.path, record.sha256, record.width, record.height]
    columns = Columns.of(store)
    own = columns.at(position) if columns.kinds else {}
    return [*facts, *_tags(record), *(own.get(name, "") for name in columns.kinds)]


def _require_sensible(
    store: FeatureStore, path: Path, suffix: str, *, pca: int | None, unit: bool, virtual: bool, raw: bool
) -> None:
    if suffix not in SUFFIXES:
        raise QueryError(f"{path}: the file name must end in {', '.join(SUFFIXES)}")
    for asked, option, kinds in (
        (pca is not None, "pca", (".npy", ".h5")),
        (unit, "unit", (".npy",)),
        (virtual, "virtual", (".h5",)),
        (raw, "raw", (".npy", ".csv")),
    ):
        if asked and suffix not in kinds:
            raise QueryError(f"option {option} is for {' and '.join(kinds)}, not for {path.name}")
    if unit and pca is not None:
        raise QueryError("use either pca or unit: principal components are computed from unit rows")
    if is_own_file(path.name) and (path.parent / FILE_NAME).exists():
        raise QueryError(f"{path} is a reserved file name of collections; choose another")


def _tags(record: ImageRecord) -> list[str]:
    """The tags of each category as a JSON object, empty if there is none."""
    chosen: dict[str, dict[str, float]] = {category: {} for category in CATEGORIES}
    for tag in record.tags:
        # As many digits as a float16 has.
        chosen[tag.category][tag.name] = float(np.format_float_positional(np.float16(tag.probability)))
    return [json.dumps(tags, ensure_ascii=False) if tags else "" for tags in chosen.values()]
