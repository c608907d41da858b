"""The file that lists the rows which were removed from a feature store."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import file_sha256, open_regular, write_atomically
from i2v_search.store.manifest import FileRecord, repair_advice

#: Of a .npy file that holds one row of numbers.
_HEADER_BYTES = 128


def read_tombstones(directory: Path, record: FileRecord | None, rows: int) -> NDArray[np.int64]:
    """Positions of the removed ones among `rows` rows.

    Raises:
        CollectionDamagedError: the file is missing, differs from its checksum, or is not a list of rows.
    """
    if record is None:
        return np.empty(0, np.int64)
    path, fix = directory / record.name, f"restore it from a backup, or {repair_advice(directory)}"
    try:
        with open_regular(path) as file:
            content = file.read(_HEADER_BYTES + 8 * rows + 1)
    except OSError as error:
        raise CollectionDamagedError(f"{path} cannot be read ({error.strerror}); {fix}") from error
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise CollectionDamagedError(f"{path} differs from its checksum; {fix}")
    count = max(0, len(content) - _HEADER_BYTES) // 8
    positions = np.frombuffer(content[-8 * count :] if count else b"", "<i8").astype(np.int64)
    if content != _tombstone_file(positions) or (
        len(positions) and not 0 <= positions.min() <= positions.max() < rows
    ):
        raise CollectionDamagedError(f"{path} is not a list of rows; {fix}")
    return positions


def write_tombstones(directory: Path, number: int, positions: NDArray[np.int64]) -> FileRecord:
    """Keep the positions of removed rows in a file; `number` is for its name, never used before."""
    path = directory / f"tombstones-{number:05d}.npy"
    write_atomically(path, _tombstone_file(positions))
    return FileRecord(name=path.name, sha256=file_sha256(path))


def _tombstone_file(positions: NDArray[np.int64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, positions.astype("<i8"), allow_pickle=False)
    return buffer.getvalue()
