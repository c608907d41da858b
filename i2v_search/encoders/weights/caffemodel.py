"""Caffe's ``.caffemodel`` and ``.binaryproto`` files, read without Caffe.

Format: ``caffe.proto`` of BVLC Caffe, NetParameter with ``layer`` (LayerParameter) or the legacy ``layers``
(V1LayerParameter), and BlobProto. Weights come out in the order they have in the file, which is torch's:
convolutions (out, in, kh, kw), fully connected layers (out, in).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.filemap import float32_copy, map_file
from i2v_search.encoders.weights.npy import NPY_MAGIC, npy_array
from i2v_search.encoders.weights.protobuf import Field, WireReader
from i2v_search.errors import WeightsError

FLOAT, DOUBLE = np.dtype("<f4"), np.dtype("<f8")
MAX_DIMENSIONS = 8


@dataclass(frozen=True)
class _Numbers:
    """Field numbers of caffe.proto for the same fields of both layer messages."""

    name: int
    type: int
    blobs: int
    convolution: int
    inner_product: int


_LAYER = _Numbers(name=1, type=2, blobs=7, convolution=106, inner_product=117)
_V1_LAYER = _Numbers(name=4, type=5, blobs=6, convolution=10, inner_product=17)
_NET_LAYER, _NET_V1_LAYERS = 100, 2
_V1_TYPES = {4: "Convolution", 14: "InnerProduct"}
_GROUP, _TRANSPOSE = 5, 6


def read_caffemodel(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the weights of every layer that has some.

    Args:
        path: a ``.caffemodel``; the data may be float or double, packed or not.

    Returns:
        ``NAME.weight`` and ``NAME.bias`` by layer, read-only float32. Packed floats are views into a memory
        map of the file, which need not be aligned; the file must not change while they are in use.

    Raises:
        WeightsError: the file cannot be read, is cut or damaged (the message names the byte and what was
            expected there), or has a layer that is no plain weight and bias.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "tiny.caffemodel"
        >>> blob = b"\\x3a\\x04\\x0a\\x02\\x01\\x01" + b"\\x2a\\x04\\x00\\x00\\xc0\\x3f"
        >>> layer = b"\\x0a\\x01a" + b"\\x3a" + bytes([len(blob)]) + blob
        >>> _ = file.write_bytes(b"\\xa2\\x06" + bytes([len(layer)]) + layer)
        >>> read_caffemodel(file)["a.weight"]
        array([[1.5]], dtype=float32)
    """
    reader = WireReader(map_file(path), path)
    weights: dict[str, NDArray[np.float32]] = {}
    for field in reader.fields():
        if field.number in {_NET_LAYER, _NET_V1_LAYERS}:
            numbers = _LAYER if field.number == _NET_LAYER else _V1_LAYER
            for name, array in _read_layer(reader, field, numbers).items():
                if name in weights:
                    raise WeightsError(f"{path}: {name} occurs twice, the second time at byte {field.offset}")
                weights[name] = array
    if not weights:
        raise WeightsError(f"{path} has no layer with weights; expected a .caffemodel")
    return weights


def _read_layer(reader: WireReader, layer: Field, numbers: _Numbers) -> dict[str, NDArray[np.float32]]:
    name = kind = ""
    blobs: list[Field] = []
    for field in reader.inside(layer, "a layer"):
        if field.number == numbers.name:
            name = reader.text(field, "a layer's name")
        elif field.number == numbers.type:
            kind = (
                reader.text(field, "a layer's type")
                if numbers is _LAYER
                else _V1_TYPES.get(reader.integer(field, "a layer's type"), "")
            )
        elif field.number == numbers.blobs:
            blobs.append(field)
            if len(blobs) > 2:
                raise WeightsError(
                    f"{reader.path}: layer {name!r} at byte {layer.offset} has more than a weight and a "
                    "bias; not an Illustration2Vec network"
                )
        elif field.number == numbers.convolution:
            _refuse(reader, field, _GROUP, 1, f"layer {name!r} convolves in groups")
        elif field.number == numbers.inner_product:
            _refuse(reader, field, _TRANSPOSE, 0, f"layer {name!r} keeps its weight transposed")
    if not blobs:
        return {}
    if not name:
        raise reader.error(layer.offset, "a layer with a name", "weights without one")
    arrays = {f"{name}.weight": _weight(_read_blob(reader, blobs[0]), kind)}
    if len(blobs) == 2:
        arrays[f"{name}.bias"] = _bias(reader, _read_blob(reader, blobs[1]), name)
    return arrays


def _refuse(reader: WireReader, parameters: Field, number: int, usual: int, problem: str) -> None:
    for field in reader.inside(parameters, "a layer's parameters"):
        if field.number == number and reader.integer(field, "a layer's parameter") != usual:
            raise WeightsError(
                f"{reader.path}: {problem} (byte {field.offset}); not an Illustration2Vec network"
            )


def _weight(blob: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """Legacy files give a fully connected weight four dimensions: (1, 1, out, in)."""
    padded = blob.ndim == 4 and blob.shape[:2] == (1, 1) and kind != "Convolution"
    return blob.reshape(blob.shape[2:]) if padded else blob


def _bias(reader: WireReader, blob: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Legacy files give a bias four dimensions: (1, 1, 1, out)."""
    if math.prod(blob.shape[:-1]) != 1:
        raise WeightsError(f"{reader.path}: the bias of layer {name!r} has shape {blob.shape}; expected (n,)")
    return blob.reshape(-1)


def _read_blob(reader: WireReader, blob: Field | None) -> NDArray[np.float32]:
    """Read a BlobProto: num, channels, height, width = 1..4, data = 5, shape = 7, double_data = 8."""
    fields = reader.fields() if blob is None else reader.inside(blob, "a blob")
    offset = 0 if blob is None else blob.offset
    legacy: dict[int, int] = {}
    shape: list[int] = []
    singles: list[NDArray[Any]] = []
    doubles: list[NDArray[Any]] = []
    for field in fields:
        match field.number:
            case 1 | 2 | 3 | 4:
                legacy[field.number] = reader.integer(field, "a blob's size")
            case 5:
                singles.append(reader.floats(field, FLOAT, "a blob's data"))
            case 7:
                for inner in reader.inside(field, "a blob's shape"):
                    if inner.number == 1:
                        shape += reader.integers(inner, "sizes of a blob")
            case 8:
                doubles.append(reader.floats(field, DOUBLE, "a blob's double data"))
    if legacy and not shape:
        shape = [legacy.get(number, 1) for number in (1, 2, 3, 4)]
    if singles and doubles:
        raise reader.error(offset, "float data or double data in a blob", "both")
    count = sum(len(piece) for piece in singles + doubles)
    if not 1 <= len(shape) <= MAX_DIMENSIONS or not count or math.prod(shape) != count:
        raise reader.error(offset, f"{' x '.join(map(str, shape[:9])) or 'no'} values in a blob", f"{count}")
    if len(singles) == 1 and singles[0].flags.c_contiguous:
        return singles[0].reshape(shape)
    joined = float32_copy(singles or doubles)
    joined.flags.writeable = False
    return joined.reshape(shape)


def read_binaryproto(path: Path) -> NDArray[np.float32]:
    """Read Caffe's mean image, a single blob.

    Args:
        path: a ``.binaryproto``.

    Returns:
        (3, height, width) float32, channels in the file's order (Caffe's is BGR).

    Raises:
        WeightsError: the file is damaged, or is no image of three channels.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "mean.binaryproto"
        >>> _ = file.write_bytes(b"\\x3a\\x05\\x0a\\x03\\x03\\x01\\x01" + b"\\x2a\\x0c" + bytes(12))
        >>> read_binaryproto(file).shape
        (3, 1, 1)
    """
    return _mean_image(_read_blob(WireReader(map_file(path), path), None), path)


def read_mean(path: Path) -> NDArray[np.float32]:
    """Read a mean image, NumPy's ``.npy`` (3, height, width) or Caffe's ``.binaryproto``, told by content.

    Args:
        path: the file.

    Returns:
        (3, height, width) float32, channels in the file's order (Caffe's is BGR).

    Raises:
        WeightsError: the file is damaged, or is no image of three channels.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "mean.npy"
        >>> np.save(file, np.full((3, 2, 2), 128.0))
        >>> read_mean(file)[0, 0]
        array([128., 128.], dtype=float32)
    """
    data = map_file(path)
    if data[: len(NPY_MAGIC)] != NPY_MAGIC:
        return read_binaryproto(path)
    return _mean_image(npy_array(data, path), path)


def _mean_image(image: NDArray[Any], path: Path) -> NDArray[np.float32]:
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] != 3:
        raise WeightsError(f"{path} has shape {image.shape}; expected a mean image of (3, height, width)")
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.array(image, np.float32, order="C")
    if not np.isfinite(mean).all():
        raise WeightsError(f"{path}: the mean image has values that are not finite")
    return mean
