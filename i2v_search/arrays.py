"""Small named arrays in one HDF5 file: the derived files of a collection (means, principal components,
graphs)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import file_sha256, replacing
from i2v_search.manifest import FileRecord

MAX_BYTES = 2**40


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> FileRecord:
    """Write named arrays atomically; returns the file's name and checksum."""
    with replacing(path) as temporary, h5py.File(temporary, "w", libver=("earliest", "v108")) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
    return FileRecord(name=path.name, sha256=file_sha256(path))


def read_arrays(directory: Path, record: FileRecord) -> dict[str, NDArray[Any]]:
    """Read every array of a derived file after checking its checksum.

    Raises:
        CollectionDamagedError: the file is missing, differs from its checksum, or stores data outside itself.
    """
    path = directory / record.name
    check_file(path, record.sha256)
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {name: _read_dataset(file, name, path) for name in file}
    except (
        OSError,
        RuntimeError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as error:
        raise CollectionDamagedError(
            f"{path} cannot be read ({error}); rebuild it: i2v-search index"
        ) from error


def check_file(path: Path, sha256: str) -> None:
    """Compare a derived file with its recorded checksum.

    Raises:
        CollectionDamagedError: it is missing or differs.
    """
    try:
        actual = file_sha256(path)
    except OSError as error:
        raise CollectionDamagedError(
            f"{path} cannot be read ({error.strerror}); rebuild it: i2v-search index"
        ) from None
    if actual != sha256:
        raise CollectionDamagedError(f"{path} differs from its checksum; rebuild it: i2v-search index")


def _read_dataset(file: h5py.File, name: str, path: Path) -> NDArray[Any]:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise CollectionDamagedError(f"{path} has a link {name!r} that leads elsewhere; refused")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise CollectionDamagedError(f"{path}: {name} is not an array; refused")
    settings = dataset.id.get_create_plist()
    plain = not (dataset.is_virtual or settings.get_external_count() or settings.get_nfilters())
    if not plain or dataset.dtype.kind not in "fiu" or dataset.nbytes > min(MAX_BYTES, path.stat().st_size):
        raise CollectionDamagedError(f"{path}: {name} is not a plain array inside the file; refused")
    return np.asarray(dataset[...])
