"""Every file that holds Illustration2Vec's weights, read under one set of names.

The canonical names are Caffe's, ``conv1_1.weight`` ... ``conv6_4.bias``, ``encode1.*`` and ``encode2.*``, in
torch order. What a file is, its content says, not its name.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.filemap import FileMap, float32_copy, map_file
from i2v_search.encoders.networks.illustration2vec import TRUNK, Head
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.tensors import map_tensors
from i2v_search.encoders.weights.caffemodel import read_caffemodel
from i2v_search.encoders.weights.npy import NPY_MAGIC, ZIP_ERRORS, brief, read_npz
from i2v_search.encoders.weights.onnx_weights import read_onnx
from i2v_search.encoders.weights.protobuf import LENGTH, VARINT, WireReader
from i2v_search.encoders.weights.torch_checkpoint import read_torch
from i2v_search.errors import WeightsError
from i2v_search.files import open_regular

Format: TypeAlias = Literal["caffemodel", "npz", "onnx", "safetensors", "torch"]

CONVOLUTIONS = tuple(name for group in TRUNK for name in group)
LAYERS = (*CONVOLUTIONS, "conv6_4", "encode1", "encode2")
#: Side of the feature map that ``encode1`` reads and ``pool6`` averages.
MAP_SIDE = 7
_SEQUENTIAL = (0, 3, 6, 8, 11, 13, 16, 18, 21, 23, 25)
#: The last convolutions of a port that is built like VGG 11, behind ``features.0`` to ``features.18``.
_CLASSIFIER = ("classifier.0", "classifier.2", "classifier.4", "classifier.6")
#: What wraps a whole network, in front of the layers' names.
_PREFIXES = ("module.", "_orig_mod.", "model.")
_PARTS = {"weight": "weight", "bias": "bias", "W": "weight", "b": "bias"}


def _layouts() -> dict[str, str]:
    """The canonical layer of every name that some port gives it. No two ports use one name differently."""
    numbered = list(zip(_SEQUENTIAL, CONVOLUTIONS, strict=True))
    return {
        **{name: name for name in LAYERS},
        **{f"block.{name}": name for name in CONVOLUTIONS},
        "tag_classifier.conv6_4": "conv6_4",
        **{f"{prefix}{number}": name for prefix in ("net.", "features.", "") for number, name in numbered},
        **dict.fromkeys(("net.27", "27", "28"), "conv6_4"),  # 28 where a dropout is counted
        **dict(zip(_CLASSIFIER, (*TRUNK[-1], "conv6_4"), strict=True)),
        "encode1.0": "encode1",
        "encode2.0": "encode2",
    }


_LAYOUTS = _layouts()
_TORCH_MAGIC = bytes.fromhex(
    "6cfc9c46f9206aa85019"
)  # what torch.save began with before it wrote zip archives
_REFUSED = {
    b"\x89HDF": "an HDF5 file; supported are .caffemodel, .npz, .pth, .safetensors and .onnx",
    NPY_MAGIC: "a single NumPy array; expected a file with all weights",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself; run: git lfs pull",
    b"<!DOCTYPE": "a web page, not the file itself; download the file",
    b"<html": "a web page, not the file itself; download the file",
    b"name:": "a network configuration, not weights; give the .caffemodel",
    b"layer": "a network configuration, not weights; give the .caffemodel",
    b"input": "a network configuration, not weights; give the .caffemodel",
}


@dataclass(frozen=True)
class Architecture:
    """Architecture of a set of weights.

    Attributes:
        heads: the models it holds.
        tags: outputs of ``conv6_4``, or of ``encode2`` without it; None where neither is there.
        dimension: outputs of ``encode1``; None without it.
        parameters: number of weights.
    """

    heads: tuple[Head, ...]
    tags: int | None
    dimension: int | None
    parameters: int


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read Illustration2Vec's weights from any file that is known to hold them.

    Args:
        path: a ``.caffemodel``; a torch state dict (``.pth``, ``.pt``, ``.ckpt``, ``.bin``); an ``.npz`` of
            chainer's; ``.safetensors``; ``.onnx``. The content decides, not the extension.

    Returns:
        Read-only float32 arrays by canonical name, in the order of `LAYERS`; views of the mapped file where
        it holds plain float32 (they need not be aligned). `check_architecture` says whether they make a
        network.

    Raises:
        WeightsError: the file cannot be read, is damaged or refused, or holds an array that is none of the
            network's.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "chainer.npz"
        >>> np.savez(file, **{"conv1_1/W": np.zeros((4, 3, 3, 3), np.float32)})
        >>> {name: array.shape for name, array in read_weights(file).items()}
        {'conv1_1.weight': (4, 3, 3, 3)}
    """
    match detect_format(path):
        case "caffemodel":
            arrays: Mapping[str, NDArray[Any]] = read_caffemodel(path)
        case "onnx":
            arrays = read_onnx(path)
        case "safetensors":
            arrays = map_tensors(path)
        case "npz":
            arrays = read_npz(path)
        case "torch":
            arrays = read_torch(path)
    return _canonical(arrays, path)


def detect_format(path: Path) -> Format:
    """Detect the format of a weight file by content.

    Raises:
        WeightsError: it is none of the formats; the message says what it is, where that is known.
    """
    data = map_file(path)
    start = data[:64]
    for magic, problem in _REFUSED.items():
        if start.startswith(magic):
            raise WeightsError(f"{path} is {problem}")
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**40:
        return "safetensors"
    if start.startswith(b"PK\x03\x04"):
        return _detect_archive(path)
    if _TORCH_MAGIC in start:
        return "torch"
    if start.startswith(b"\x80"):
        raise WeightsError(
            f"{path} is a pickled Python object: loading it could execute code from the file; refused. In "
            "the program that made it, save: torch.save(model.state_dict(), 'weights.pth')"
        )
    return _detect_message(data, path)


def _detect_archive(path: Path) -> Format:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except ZIP_ERRORS as error:
        raise WeightsError(f"{path}: damaged or truncated zip archive ({brief(error)})") from error
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise WeightsError(
        f"{path} is a zip archive of other files ({names[:3]}); unpack it and give the weights"
    )


def _detect_message(data: FileMap, path: Path) -> Format:
    """Distinguish the two kinds of protobuf.

    Field 1 is a name in Caffe and a version number in ONNX, field 7 a flag in Caffe and the graph in ONNX,
    fields 2 and 100 are Caffe's layers.
    """
    layers = False
    try:
        for field in WireReader(data, path).fields():
            if (field.number, field.wire) in {(1, VARINT), (7, LENGTH)}:
                return "onnx"
            layers = layers or (field.number, field.wire) in {(2, LENGTH), (100, LENGTH)}
    except WeightsError:
        # The reader of the format finds the damage again and can say more about it.
        layers = layers or data[0] == 0x0A
    if layers:
        return "caffemodel"
    raise WeightsError(
        f"{path} is not a supported weight file (it starts with {data[:8]!r}); expected .caffemodel, a "
        "torch state dict, a chainer .npz, .safetensors or .onnx"
    )


def _canonical(arrays: Mapping[str, NDArray[Any]], path: Path) -> dict[str, NDArray[np.float32]]:
    wrapper = _common_prefix(list(arrays))
    found: dict[str, NDArray[np.float32]] = {}
    for name, array in arrays.items():
        layer, _, part = name.removeprefix(wrapper).replace("/", ".").rpartition(".")
        if layer not in _LAYOUTS or part not in _PARTS:
            raise WeightsError(
                f"{path} holds {name!r}, {array.shape}, which is not a layer of Illustration2Vec: this "
                "is not an Illustration2Vec network"
            )
        canonical = f"{_LAYOUTS[layer]}.{_PARTS[part]}"
        if canonical in found:
            raise WeightsError(f"{path} holds {canonical} twice, the second time as {name!r}")
        found[canonical] = _as_float32(array, f"{path}: {name!r}")
    order = [f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")]
    return {name: found[name] for name in order if name in found}


def _common_prefix(names: list[str]) -> str:
    """Common prefix of all names, as of a wrapped network: ``"module."``, ``"model.module."``, ..."""
    found = ""
    for prefix in _PREFIXES * 2:
        if all(name.startswith(found + prefix) for name in names):
            found += prefix
    return found


def _as_float32(array: NDArray[Any], place: str) -> NDArray[np.float32]:
    if array.dtype == np.float32:
        array.flags.writeable = False
        return array
    if array.dtype.kind != "f":
        raise WeightsError(f"{place} holds {array.dtype}; expected floats")
    copied = float32_copy([array.reshape(-1)]).reshape(array.shape)
    copied.flags.writeable = False
    return copied


def heads(weights: Weights) -> tuple[Head, ...]:
    """The models that weights make up: ``"feature"`` with ``encode1``, ``"tag"`` with ``conv6_4``.

    Example:
        >>> heads({"conv6_4.weight": np.zeros((1539, 1024, 3, 3), np.float32)})
        ('tag',)
    """
    layers: dict[Head, str] = {"feature": "encode1", "tag": "conv6_4"}
    return tuple(head for head, layer in layers.items() if f"{layer}.weight" in weights)


def check_architecture(weights: Weights, source: str = "these weights") -> Architecture:
    """Check that weights make an Illustration2Vec network; its widths may be any.

    Args:
        weights: arrays by canonical name.
        source: named in messages.

    Returns:
        What they make up.

    Raises:
        WeightsError: a layer is missing or does not fit; the message names the first and both shapes.

    Example:
        >>> check_architecture({}, "file.npz")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        i2v_search.errors.WeightsError: file.npz is incomplete ... conv1_1.weight is missing
    """
    held = heads(weights)
    channels = 3
    for name in CONVOLUTIONS:
        channels = _check_layer(weights, name, (channels, 3, 3), source)
    tags = dimension = None
    if "tag" in held:
        tags = _check_layer(weights, "conv6_4", (channels, 3, 3), source)
    if "feature" in held:
        dimension = _check_layer(weights, "encode1", (channels * MAP_SIDE**2,), source)
        if "encode2.weight" in weights:
            outputs = _check_layer(weights, "encode2", (dimension,), source)
            if tags not in {None, outputs}:
                raise WeightsError(
                    f"{source} has {tags} tags in conv6_4 and {outputs} in encode2; expected as many"
                )
            tags = outputs
    if not held:
        raise WeightsError(
            f"{source} ends at conv6_3; expected conv6_4 (the tag model) or encode1 (the feature model)"
        )
    used = ("tag" in held and "conv6_4", "feature" in held and "encode1", "feature" in held and "encode2")
    stray = [name for name in weights if name.rpartition(".")[0] not in {*CONVOLUTIONS, *used}]
    if stray:
        raise WeightsError(f"{source} holds {stray[0]!r} without the layers it belongs to")
    return Architecture(held, tags, dimension, sum(math.prod(array.shape) for array in weights.values()))


def _check_layer(weights: Weights, name: str, inputs: tuple[int, ...], source: str) -> int:
    """Compare one layer's shapes with what goes into it; returns what comes out."""
    weight, bias = weights.get(f"{name}.weight"), weights.get(f"{name}.bias")
    if weight is None or bias is None:
        part = "weight" if weight is None else "bias"
        raise WeightsError(
            f"{source} is incomplete or not an Illustration2Vec network: {name}.{part} is missing"
        )
    expected = f"(n, {', '.join(map(str, inputs))})"
    if weight.shape[1:] != inputs or weight.ndim != len(inputs) + 1:
        raise WeightsError(
            f"{source} is not an Illustration2Vec network: {name}.weight has shape {weight.shape}; "
            f"expected {expected}"
        )
    if bias.shape != weight.shape[:1]:
        raise WeightsError(
            f"{source} is not an Illustration2Vec network: {name}.bias has shape {bias.shape}; expected "
            f"{weight.shape[:1]}"
        )
    return int(weight.shape[0])
