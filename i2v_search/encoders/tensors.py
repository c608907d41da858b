"""safetensors files, written tensor by tensor and read as views of a memory map.

Format: eight bytes with the length of the header, the header as JSON, the data without holes (Hugging Face
safetensors, "Format"). Written here so that a file of any size needs a few megabytes of memory, and so that
the place of every tensor is known: ONNX graphs refer to these bytes as external data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.filemap import FileMap, blocks, map_file, release_pages
from i2v_search.errors import WeightsError
from i2v_search.files import replacing

ALIGNMENT = 64
MAX_HEADER = 2**22
MAX_DIMENSIONS = 8
DTYPES = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "I8": "|i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U8": "|u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
    "BOOL": "|b1",
}
CODES = {np.dtype(name): code for code, name in DTYPES.items()}


@dataclass(frozen=True)
class _Tensor:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    length: int


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file atomically; no more than a block of about 4 MB is held at a time.

    The format allows no holes, so tensors go by the alignment of their size, largest first: where every size
    but the last is a multiple of 64 bytes, every tensor starts at one.

    Args:
        path: the file to replace.
        arrays: arrays by name, of any strides; those over a `FileMap` have their pages given back on the way.
        metadata: text by name, for the header.

    Raises:
        WeightsError: an array is empty or of a type the format lacks, or the header would be too long.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "weights.safetensors"
        >>> write_tensors(file, {"a.weight": np.eye(2, dtype=np.float32)}, {"head": "tag"})
        >>> map_tensors(file)["a.weight"]
        array([[1., 0.],
               [0., 1.]], dtype=float32)
        >>> tensor_offsets(file)
        {'a.weight': (128, 16)}
    """
    names = sorted(arrays, key=lambda name: (-_alignment(arrays[name].nbytes), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        array = arrays[name]
        code = CODES.get(array.dtype.newbyteorder("<"))
        if code is None or not array.size or name in {"", "__metadata__"}:
            raise WeightsError(f"{name!r}, {array.shape} of {array.dtype}, cannot be stored as a tensor")
        start, end = end, end + array.nbytes
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise WeightsError(f"{path}: a header of {len(text)} bytes; at most {MAX_HEADER} are written")
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            array = np.atleast_1d(arrays[name])
            little = array.dtype.newbyteorder("<")
            for block in blocks(array):
                file.write(np.ascontiguousarray(block, little).reshape(-1).view(np.uint8).data)
                if array.flags.c_contiguous:
                    release_pages(block)
            release_pages(array)


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """View every tensor of a safetensors file; nothing is read before it is used.

    Args:
        path: a file of anyone's making.

    Returns:
        Read-only arrays over a memory map, in the order of their data. They keep the file open and need
        not be aligned unless `write_tensors` wrote it.

    Raises:
        WeightsError: the header is not valid, or does not describe the data exactly.
    """
    data = map_file(path)
    tensors = _read_header(data, path)
    return {
        name: np.ndarray(tensor.shape, tensor.dtype, data, tensor.offset) for name, tensor in tensors.items()
    }


def tensor_offsets(path: Path) -> dict[str, tuple[int, int]]:
    """Position of each tensor in the file: byte offset and length.

    Raises:
        WeightsError: see `map_tensors`.
    """
    tensors = _read_header(map_file(path), path)
    return {name: (tensor.offset, tensor.length) for name, tensor in tensors.items()}


def _alignment(length: int) -> int:
    return math.gcd(length, ALIGNMENT)


def _read_header(data: FileMap, path: Path) -> dict[str, _Tensor]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 10 or not 2 <= length <= min(MAX_HEADER, len(data) - 8):
        raise WeightsError(
            f"{path}: a header of {length} bytes in a file of {len(data)}; expected safetensors with at most "
            f"{MAX_HEADER}"
        )
    try:
        header = json.loads(data[8 : 8 + length].decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: the safetensors header is not valid JSON ({error})") from error
    if not isinstance(header, dict):
        raise WeightsError(f"{path}: the safetensors header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise WeightsError(f"{path}: __metadata__ must map text to text")
    tensors = {
        name: _parse_tensor(entry, 8 + length, f"{path}: tensor {name!r}") for name, entry in header.items()
    }
    ordered = dict(sorted(tensors.items(), key=lambda item: item[1].offset))
    end = 8 + length
    for name, tensor in ordered.items():
        if tensor.offset != end:
            raise WeightsError(f"{path}: tensor {name!r} starts at byte {tensor.offset}; expected {end}")
        end += tensor.length
    if end != len(data):
        raise WeightsError(
            f"{path}: {len(data)} bytes long, but its header describes {end}; the file is truncated or "
            "damaged"
        )
    return ordered


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("duplicate name")
    return unique


def _parse_tensor(entry: Any, origin: int, place: str) -> _Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(f"{place}: expected dtype, shape and data_offsets")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise WeightsError(
            f"{place} has dtype {code!r}; one of {', '.join(DTYPES)} is supported; convert it to F32"
        )
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2 and len(shape) <= MAX_DIMENSIONS):
        raise WeightsError(f"{place}: shape and data_offsets must be lists of a few non-negative integers")
    dtype, (start, stop) = np.dtype(DTYPES[code]), offsets
    if not math.prod(shape) or math.prod(shape) * dtype.itemsize != stop - start:
        raise WeightsError(f"{place} has shape {tuple(shape)} of {code} in {stop - start} bytes")
    return _Tensor(dtype, tuple(shape), origin + start, stop - start)


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 2**48 for number in value)
