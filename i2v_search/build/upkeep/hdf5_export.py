"""Feature vectors and what is known of their images as one ordinary HDF5 file, for h5py and everything else.

========================  ====================  ==========================================================
``vectors``               (n, d) float16        unit rows, copied or virtual
``norms``                 (n,) float32          length of each vector before it was normalised
``id``                    (n,) int64            of the image in the collection
``path``                  (n,) string           as stored; bytes that are not UTF-8 are kept as they are
``sha256``                (n,) 64 characters    of the image file's content, hex
``width``, ``height``     (n,) int32            pixels as displayed
``tags/start``            (n + 1,) int64        the tags of row i are entries start[i] to start[i + 1]
``tags/number``           (entries,) int32      place in ``tags/name``
``tags/probability``      (entries,) float16
``tags/name|category``    (v,) string           the vocabulary
``reduced``               (n, D) float32        ``(vectors - pca/mean) @ pca/components.T``, on request
``pca/...``                                     ``mean``, ``components``, ``explained_variance_ratio``
========================  ====================  ==========================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import QueryError
from i2v_search.index.pca import PrincipalComponents
from i2v_search.progress import Progress, Report
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import widen

FORMAT = "i2v-search export 1"
#: Runs of neighbouring live rows that a virtual data set may be put together from.
MAX_RUNS = 50_000


def write_hdf5(
    temporary: Path,
    final: Path,
    store: FeatureStore,
    positions: NDArray[np.int64],
    *,
    pca: PrincipalComponents | None,
    virtual: bool,
    blocks: Iterator[NDArray[np.int64]],
    report: Report,
) -> None:
    """Write the file described above.

    Args:
        temporary: where it is written.
        final: where it will be: what the names of a virtual file's parts are relative to.
        store: the feature store.
        positions: (n,) int64, the rows in order.
        pca: how to fill ``reduced``, None to leave it out.
        virtual: let ``vectors`` point into the feature files instead of copying them.
        blocks: `positions` in blocks that fit in memory.
        report: called with the progress.

    Raises:
        QueryError: the rows are too scattered for a virtual data set.
        OSError: the disk is full or fails.
    """
    import h5py

    with temporary.open("wb+", buffering=0) as file:
        output = _Output(file)
        with h5py.File(output, "w", libver=("earliest", "v110")) as document:
            _describe(document, store)
            tags = _Tags(store, positions)
            columns = _make_columns(document, store, len(positions), tags.entries, pca)
            if virtual:
                _make_virtual(document, store, positions, final)
            else:
                columns["vectors"] = document.create_dataset(
                    "vectors", (len(positions), store.dimension), "<f2"
                )
            _write_vocabulary(document, tags)
            document["tags/start"][:] = tags.start
            done = 0
            for block in blocks:
                store.check(block)
                chosen = slice(done, done + len(block))
                for name, values in _rows(store, block, pca, virtual=virtual).items():
                    columns[name][chosen] = values
                entries = slice(int(tags.start[done]), int(tags.start[done + len(block)]))
                columns["tags/number"][entries], columns["tags/probability"][entries] = tags.of(block)
                done += len(block)
                output.raise_error()
                report(Progress("exporting", done, len(positions)))
        output.raise_error()


class _Output:
    """A file for the HDF5 library that never fails: the library may crash where a write does.

    From the first error on nothing more reaches the disk; what the library writes until it is closed is held
    in memory, so that it reads what it wrote.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._error: OSError | None = None
        self._held: list[tuple[int, bytes]] = []
        self._at = 0
        self._size = 0

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int) -> bytes:
        content = bytearray(count)
        self.readinto(memoryview(content))
        return bytes(content)

    def readinto(self, buffer: memoryview) -> int:
        count = len(buffer)
        content = bytearray(count)
        self._file.seek(self._at)
        found = self._file.read(count)
        content[: len(found)] = found
        for offset, held in self._held:
            first, last = max(offset, self._at), min(offset + len(held), self._at + count)
            if first < last:
                content[first - self._at : last - self._at] = held[first - offset : last - offset]
        buffer[:] = content
        self._at += count
        return count

    def write(self, content: Any) -> int:
        held = memoryview(content).cast("B")
        if self._error is None:
            try:
                self._file.seek(self._at)
                rest = held
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error = error
        if self._error is not None:
            self._held.append((self._at, bytes(held)))
        self._at += len(held)
        self._size = max(self._size, self._at)
        return len(held)

    def truncate(self, size: int) -> int:
        if self._error is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self._error = error
        self._size = size
        return size

    def flush(self) -> None:
        """Nothing is buffered here."""


class _Tags:
    """The tags of some rows as compressed sparse rows over one vocabulary."""

    def __init__(self, store: FeatureStore, positions: NDArray[np.int64]) -> None:
        self._parts = store.parts
        self._first = np.cumsum([0, *(part.rows for part in store.parts)])
        numbers: dict[tuple[str, str], int] = {}
        self._renumbered = [
            np.array(
                [numbers.setdefault((tag.name, tag.category), len(numbers)) for tag in part.vocabulary],
                np.int32,
            )
            for part in store.parts
        ]
        self.vocabulary = list(numbers)
        counts = [np.diff(np.asarray(part["tags/end"]), prepend=0) for part in store.parts]
        every = np.concatenate([*counts, np.empty(0, np.int64)])
        self.start = np.concatenate([[0], np.cumsum(every[positions])]).astype(np.int64)

    @property
    def entries(self) -> int:
        return int(self.start[-1])

    def of(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
        """Numbers and probabilities of the tags of rows, in turn."""
        found = [np.empty(0, np.int32)]
        probabilities = [np.empty(0, np.float16)]
        parts = np.searchsorted(self._first, positions, "right") - 1
        for part, row in zip(parts.tolist(), (positions - self._first[parts]).tolist(), strict=True):
            numbers, values = self._parts[part].tag_entries(row)
            found.append(self._renumbered[part][numbers])
            probabilities.append(values)
        return np.concatenate(found), np.concatenate(probabilities)


def _describe(document: Any, store: FeatureStore) -> None:
    manifest = store.manifest
    document.attrs["format"] = FORMAT
    document.attrs["encoder"] = manifest.encoder.id
    document.attrs["weights_sha256"] = manifest.encoder.weights_sha256
    document.attrs["preprocessing"] = manifest.encoder.preprocessing
    document.attrs["image_root"] = np.bytes_(os.fsencode(manifest.image_root))


def _make_columns(
    document: Any, store: FeatureStore, count: int, entries: int, pca: PrincipalComponents | None
) -> dict[str, Any]:
    import h5py

    types = {
        "norms": "<f4",
        "id": "<i8",
        "path": h5py.string_dtype(),
        "sha256": h5py.string_dtype("ascii", 64),
        "width": "<i4",
        "height": "<i4",
    }
    columns = {name: document.create_dataset(name, (count,), dtype) for name, dtype in types.items()}
    document.create_dataset("tags/start", (count + 1,), "<i8")
    for name, dtype in (("tags/number", "<i4"), ("tags/probability", "<f2")):
        columns[name] = document.create_dataset(name, (entries,), dtype)
    if pca is not None:
        columns["reduced"] = document.create_dataset("reduced", (count, len(pca.components)), "<f4")
        for name, values in vars(pca).items():
            document[f"pca/{name}"] = values
    return columns


def _write_vocabulary(document: Any, tags: _Tags) -> None:
    import h5py

    for place, name in enumerate(("name", "category")):
        values = [_text(entry[place]) for entry in tags.vocabulary]
        column = document.create_dataset(f"tags/{name}", (len(values),), h5py.string_dtype())
        if values:
            column[:] = np.array(values, object)


def _rows(
    store: FeatureStore, block: NDArray[np.int64], pca: PrincipalComponents | None, *, virtual: bool
) -> Mapping[str, NDArray[Any]]:
    rows: dict[str, NDArray[Any]] = {
        "norms": store.norms(block),
        "id": store.ids[block],
        "path": np.array([_text(store.path(position)) for position in block.tolist()], object),
        "sha256": np.array([digest.tobytes().hex() for digest in store.column("sha256", block)], "S64"),
        "width": store.column("width", block),
        "height": store.column("height", block),
    }
    if not virtual or pca is not None:
        vectors = store.take_float16(block)
        if not virtual:
            rows["vectors"] = vectors
        if pca is not None:
            rows["reduced"] = pca.transform(widen(vectors))
    return rows


def _text(text: str) -> bytes:
    """A string as HDF5 keeps it; a NUL, with which none can be opened anyway, would end it."""
    return os.fsencode(text).replace(b"\0", b"\\x00")


def _make_virtual(document: Any, store: FeatureStore, positions: NDArray[np.int64], final: Path) -> None:
    import h5py

    layout = h5py.VirtualLayout((len(positions), store.dimension), "<f2")
    first = np.cumsum([0, *(part.rows for part in store.parts)])
    parts = np.searchsorted(first, positions, "right") - 1
    breaks = (np.diff(positions) != 1) | (np.diff(parts) != 0)
    starts = np.flatnonzero(np.concatenate([[True], breaks])) if len(positions) else np.empty(0, np.int64)
    if len(starts) > MAX_RUNS:
        raise QueryError(
            f"the images lie in {len(starts)} places of {store.directory}, a virtual file supports "
            f"{MAX_RUNS}; run first: i2v-search compact --collection {store.directory}"
        )
    sources = [
        h5py.VirtualSource(
            _source_name(part.path, final), "vectors", (part.capacity.rows, store.dimension), "<f2"
        )
        for part in store.parts
    ]
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(positions)], strict=True):
        number = int(parts[start])
        row = int(positions[start] - first[number])
        layout[start:end] = sources[number][row : row + end - start]
    # Where a feature file is gone, readers see NaN and not zeros.
    document.create_virtual_dataset("vectors", layout, fillvalue=np.nan)


def _source_name(part: Path, final: Path) -> str:
    relative = os.path.relpath(os.path.realpath(part), os.path.realpath(final.parent))
    # HDF5 reads %b as the number of a block.
    return Path(relative).as_posix().replace("%", "%%")
