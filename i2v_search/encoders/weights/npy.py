"""NumPy's ``.npy`` files and ``.npz`` archives from strangers.

Format: ``numpy.lib.format``. NumPy's own reader allocates what a header claims before it looks at the data;
here the header is compared with the size of the data first.
"""

from __future__ import annotations

import ast
import math
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.filemap import FileMap
from i2v_search.errors import WeightsError
from i2v_search.files import open_regular

NPY_MAGIC = b"\x93NUMPY"
#: Reading a damaged zip archive may raise any of these.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    OverflowError,
)
MAX_HEADER = 10_000
MAX_MEMBERS = 10_000
#: An archive may hold this many times its own size: weights hardly compress, bombs do.
MAX_EXPANSION = 16
MAX_SMALL_ARCHIVE = 2**26
DTYPES = frozenset({"<f2", "<f4", "<f8", "|u1"})
_HEADER = re.compile(
    r"\{'descr': '([<|][a-z]\d)', 'fortran_order': (True|False), 'shape': (\((?:\d{1,18},? ?){0,8}\)), \} *\n"
)


def npy_array(data: FileMap | bytes, path: Path) -> NDArray[Any]:
    """View the array of a ``.npy`` file, mapped or read.

    Raises:
        WeightsError: the header is not valid, or the file does not hold what it claims.
    """
    start, length = _header_place(data[:12], str(path))
    dtype, order, shape = _parse_header(data[start : start + length], str(path))
    _check_size(dtype, shape, len(data) - start - length, str(path))
    return np.ndarray(shape, dtype, data, start + length, order=order)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read every array of an ``.npz`` archive of floats, never unpickling.

    Args:
        path: the archive, compressed or not.

    Returns:
        Arrays by name, without the ``.npy`` of the archive's members.

    Raises:
        WeightsError: the archive is damaged, holds anything but plain float arrays, or would expand to more
            than `MAX_EXPANSION` times its size.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "weights.npz"
        >>> np.savez(file, **{"conv1_1/b": np.zeros(4, np.float32)})
        >>> {name: array.shape for name, array in read_npz(file).items()}
        {'conv1_1/b': (4,)}
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            limit = max(MAX_SMALL_ARCHIVE, MAX_EXPANSION * path.stat().st_size)
            claimed = sum(member.file_size for member in members)
            if len(members) > MAX_MEMBERS or claimed > limit:
                raise WeightsError(
                    f"{path} would expand to {claimed} bytes in {len(members)} members; the limit is "
                    f"{limit} bytes in {MAX_MEMBERS} members"
                )
            return {
                member.filename.removesuffix(".npy"): _read_member(
                    archive, member, f"{path}: {member.filename!r}"
                )
                for member in members
            }
    except ZIP_ERRORS as error:
        raise WeightsError(f"{path}: damaged .npz archive ({brief(error)})") from error


def brief(error: Exception) -> str:
    """The message of an error in one short line; those of `zipfile` may quote a whole file."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: str) -> NDArray[Any]:
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise WeightsError(
            f"{place} is compressed by method {member.compress_type}; expected deflate or none"
        )
    with archive.open(member) as stream:
        start, length = _header_place(prefix := stream.read(12), place)
        header = (prefix + stream.read(start + length - len(prefix)))[start:]
        dtype, order, shape = _parse_header(header, place)
        _check_size(dtype, shape, member.file_size - start - length, place)
        flat = np.empty(math.prod(shape), dtype)
        _fill(stream, flat.view(np.uint8), place)
    return flat.reshape(shape, order=order)


def _fill(stream: IO[bytes], target: NDArray[np.uint8], place: str) -> None:
    """Read in blocks: `zipfile` would hold a whole member twice."""
    filled = 0
    while filled < len(target):
        block = stream.read(min(2**20, len(target) - filled))
        if not block:
            raise WeightsError(f"{place} ends after {filled} bytes of data; expected {len(target)}")
        target[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
        filled += len(block)
    if stream.read(1):  # which also makes zipfile compare the checksum
        raise WeightsError(f"{place} has more than the expected {len(target)} bytes of data")


def _header_place(prefix: bytes, place: str) -> tuple[int, int]:
    """Offset and length of the header."""
    if len(prefix) < 12 or prefix[:6] != NPY_MAGIC or prefix[6] not in {1, 2, 3}:
        raise WeightsError(f"{place} is not a NumPy array; expected .npy of version 1, 2 or 3")
    start = 10 if prefix[6] == 1 else 12
    length = int.from_bytes(prefix[8:start], "little")
    if length > MAX_HEADER:
        raise WeightsError(f"{place} has a header of {length} bytes; at most {MAX_HEADER} are read")
    return start, length


def _parse_header(header: bytes, place: str) -> tuple[np.dtype[Any], Any, tuple[int, ...]]:
    match = _HEADER.fullmatch(header.decode("latin-1"))
    if match is None or match[1] not in DTYPES:
        raise WeightsError(
            f"{place} is not a plain array of floats (header {header[:120]!r}); pickled objects are refused"
        )
    try:
        shape: tuple[int, ...] = ast.literal_eval(match[3])
    except (SyntaxError, ValueError) as error:
        raise WeightsError(f"{place} has the shape {match[3]}; expected a tuple of sizes") from error
    if not isinstance(shape, tuple):
        raise WeightsError(f"{place} has the shape {match[3]}; expected a tuple of sizes")
    return np.dtype(match[1]), "F" if match[2] == "True" else "C", shape


def _check_size(dtype: np.dtype[Any], shape: tuple[int, ...], size: int, place: str) -> None:
    if 0 in shape:
        raise WeightsError(f"{place} has shape {shape}; expected values")
    if math.prod(shape) * dtype.itemsize != size:
        raise WeightsError(
            f"{place} holds {size} bytes of data; its header, {shape} of {dtype}, asks for "
            f"{math.prod(shape) * dtype.itemsize}"
        )
