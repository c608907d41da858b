"""The weights of an ONNX export, named by their place in the graph.

Format: ``onnx.proto`` of ONNX, IR version 3 and later. Exporters rename what they like and fold what they
can, so names say nothing: the convolutions of the graph in order are the trunk's, the matrix products are the
fully connected layers. A graph that computes anything else is refused: its weights alone would not be the
model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.filemap import FileMap, float32_copy, map_file
from i2v_search.encoders.networks.illustration2vec import TRUNK
from i2v_search.encoders.weights.protobuf import FIXED32, Field, WireReader
from i2v_search.errors import WeightsError

_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
_INT64 = 7
_PLUMBING = frozenset(
    [
        "Cast",
        "Concat",
        "Constant",
        "Dropout",
        "Flatten",
        "Gather",
        "Identity",
        "Reshape",
        "Shape",
        "Slice",
        "Squeeze",
        "Unsqueeze",
    ]
)
_ACTIVATIONS = frozenset({"AveragePool", "GlobalAveragePool", "MaxPool", "ReduceMean", "Relu", "Sigmoid"})
_CONVOLUTIONS = (*(name for group in TRUNK for name in group), "conv6_4")
_LINEAR = ("encode1", "encode2")
_ONCE = {"group": [1], "strides": [1, 1], "dilations": [1, 1], "pads": [1, 1, 1, 1]}


@dataclass
class _Node:
    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    integers: dict[str, list[int]] = field(default_factory=dict)
    floats: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    tensor: Field | None = None


@dataclass
class _Tensor:
    name: str = ""
    shape: list[int] = field(default_factory=list)
    data_type: int = 0
    data: list[Field] = field(default_factory=list)
    integers: list[int] = field(default_factory=list)
    raw: Field | None = None
    external: dict[str, str] = field(default_factory=dict)


def read_onnx(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the weights of an ONNX export of an Illustration2Vec network.

    Args:
        path: the model; tensors stored outside it must lie in files of the same folder.

    Returns:
        Float32 arrays by canonical name (``conv1_1.weight`` ...). They are views of a memory map where
        the file holds float32; fully connected weights that are stored (in, out) are transposed views.

    Raises:
        WeightsError: the file is damaged, or the graph is another network.
    """
    reader = WireReader(map_file(path), path)
    nodes: list[_Node] = []
    tensors = _Tensors(reader)
    for top in reader.fields():
        if top.number == 7:
            for item in reader.inside(top, "the graph"):
                if item.number == 1:
                    nodes.append(_read_node(reader, item))
                elif item.number == 5:
                    tensors.add(_read_tensor(reader, item))
    for node in nodes:
        if node.operator == "Constant" and node.tensor is not None and node.outputs:
            tensors.add(_read_tensor(reader, node.tensor), node.outputs[0])
        elif node.operator == "Identity" and node.inputs and node.outputs:
            tensors.link(node.inputs[0], node.outputs[0])
    return _name_weights(nodes, tensors, path)


def _name_weights(nodes: list[_Node], tensors: _Tensors, path: Path) -> dict[str, NDArray[np.float32]]:
    weights: dict[str, NDArray[np.float32]] = {}
    products: dict[str, str] = {}
    seen = {"Conv": 0, "Linear": 0, "MaxPool": 0, "Relu": 0}
    for node in nodes:
        kind = "Linear" if node.operator in {"Gemm", "MatMul"} else node.operator
        if kind in seen:
            seen[kind] += 1
        if kind in {"Conv", "Linear"}:
            names = _CONVOLUTIONS if kind == "Conv" else _LINEAR
            if seen[kind] > len(names):
                raise _foreign(path, f"it has more than {len(names)} {node.operator} nodes")
            name = names[seen[kind] - 1]
            _check_attributes(node, name, path)
            _take(weights, name, node.inputs[1:], tensors)
            if node.operator == "MatMul" or (
                node.operator == "Gemm" and node.integers.get("transB", [0]) != [1]
            ):
                weights[f"{name}.weight"] = _transposed(weights[f"{name}.weight"], name, path)
            products.update(dict.fromkeys(node.outputs, name) if node.operator == "MatMul" else {})
        elif node.operator == "Add" and (product := set(node.inputs) & set(products)):
            name = products.pop(product.pop())
            _take(weights, name, ["", *(value for value in node.inputs if value in tensors)], tensors)
        elif node.operator == "Pad":
            _check_padding(node, tensors, path)
        elif node.operator not in _PLUMBING | _ACTIVATIONS:
            raise _foreign(path, f"node {node.operator!r} is no part of it")
    expected = {"MaxPool": len(TRUNK) - 1, "Relu": len(_CONVOLUTIONS) - 1}
    for operator, count in expected.items():
        if seen[operator] != count:
            raise _foreign(path, f"it has {seen[operator]} {operator} nodes instead of {count}")
    return weights


def _take(weights: dict[str, NDArray[np.float32]], name: str, inputs: list[str], tensors: _Tensors) -> None:
    for part, value in zip(("weight", "bias"), inputs, strict=False):
        if value:
            array = tensors.array(value, f"{name}.{part}")
            padded = part == "bias" and math.prod(array.shape[:-1]) == 1
            weights[f"{name}.{part}"] = array.reshape(-1) if padded else array


def _check_attributes(node: _Node, name: str, path: Path) -> None:
    if node.operator == "Conv":
        for attribute, usual in _ONCE.items():
            missing = [0, 0, 0, 0] if attribute == "pads" else usual
            given = node.integers.get(attribute, missing)
            padded_by_rule = attribute == "pads" and node.texts.get("auto_pad", "").startswith("SAME")
            if given != usual and not padded_by_rule:
                raise _foreign(path, f"{name} has {attribute} {given} instead of {usual}")
    scaled = [key for key in ("alpha", "beta") if node.floats.get(key, 1.0) != 1.0]
    if scaled or node.integers.get("transA", [0]) != [0]:
        raise _foreign(path, f"{name} is scaled or transposed")


def _check_padding(node: _Node, tensors: _Tensors, path: Path) -> None:
    """Refuse a padding of more than nothing: a conversion by way of Core ML has one before every pooling."""
    given = node.integers.get("pads", [])
    amounts = tensors.integers(node.inputs[1]) if len(node.inputs) > 1 else given
    if not amounts or any(amounts):
        raise _foreign(path, f"it pads by {amounts or 'amounts that are computed'}")


def _transposed(array: NDArray[np.float32], name: str, path: Path) -> NDArray[np.float32]:
    if array.ndim != 2:
        raise _foreign(path, f"the weight of {name} has shape {array.shape} instead of (in, out)")
    return array.T


def _foreign(path: Path, difference: str) -> WeightsError:
    return WeightsError(
        f"{path} is not a plain export of an Illustration2Vec network: {difference}; describe another "
        "model with --input-size, --layout, --output or --tag-output"
    )


class _Tensors:
    """The constant tensors of a graph by the names its nodes call them."""

    def __init__(self, reader: WireReader) -> None:
        self._reader = reader
        self._tensors: dict[str, _Tensor] = {}
        self._files: dict[Path, FileMap] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def add(self, tensor: _Tensor, name: str | None = None) -> None:
        self._tensors[tensor.name if name is None else name] = tensor

    def link(self, name: str, alias: str) -> None:
        if name in self._tensors:
            self._tensors[alias] = self._tensors[name]

    def integers(self, name: str) -> list[int]:
        """The values of a tensor of int64 that the graph stores; empty where it does not."""
        tensor = self._tensors.get(name, _Tensor())
        if tensor.raw is None or tensor.data_type != _INT64:
            return tensor.integers
        values: list[int] = self._reader.floats(tensor.raw, np.dtype("<i8"), name).tolist()
        return values

    def array(self, name: str, what: str) -> NDArray[np.float32]:
        """The values of one tensor as float32."""
        path = self._reader.path
        tensor = self._tensors.get(name)
        if tensor is None:
            raise _foreign(path, f"{what} is computed by the graph, not stored in it")
        dtype = _DTYPES.get(tensor.data_type)
        if dtype is None:
            raise WeightsError(f"{path}: {what} has ONNX data type {tensor.data_type}; expected float32")
        if tensor.external:
            pieces = [self._external(tensor, dtype, what)]
        elif tensor.raw is not None:
            pieces = [self._reader.floats(tensor.raw, dtype, what)]
        else:
            pieces = [self._reader.floats(part, dtype, what) for part in tensor.data]
        count = sum(len(piece) for piece in pieces)
        if not count or len(tensor.shape) > 8 or math.prod(tensor.shape) != count:
            raise WeightsError(f"{path}: {what} has shape {tensor.shape} and {count} values")
        if len(pieces) == 1 and dtype == np.float32 and pieces[0].flags.c_contiguous:
            return pieces[0].reshape(tensor.shape)
        joined = float32_copy(pieces)
        joined.flags.writeable = False
        return joined.reshape(tensor.shape)

    def _external(self, tensor: _Tensor, dtype: np.dtype[Any], what: str) -> NDArray[Any]:
        path = self._reader.path
        location = tensor.external.get("location", "")
        folder = path.parent.resolve()
        file = (folder / location).resolve() if "\0" not in location else folder
        absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive
        if absolute or file == folder or not file.is_relative_to(folder):
            raise WeightsError(f"{path}: {what} lies in {location!r}, outside the model's folder; refused")
        if file not in self._files:
            self._files[file] = map_file(file)
        data = self._files[file]
        try:
            offset = int(tensor.external.get("offset", "0"))
            length = int(tensor.external.get("length", str(len(data) - offset)))
        except ValueError as error:
            raise WeightsError(f"{path}: {what} has an offset that is not a number ({error})") from error
        if not (0 <= offset <= offset + length <= len(data)) or length % dtype.itemsize:
            raise WeightsError(
                f"{path}: {what} asks for bytes {offset} to {offset + length} of {len(data)} in {file}"
            )
        return np.ndarray((length // dtype.itemsize,), dtype, data, offset)


def _read_node(reader: WireReader, node: Field) -> _Node:
    found = _Node()
    for item in reader.inside(node, "a node"):
        match item.number:
            case 1:
                found.inputs.append(reader.text(item, "an input"))
            case 2:
                found.outputs.append(reader.text(item, "an output"))
            case 4:
                found.operator = reader.text(item, "an operator")
            case 5:
                _read_attribute(reader, item, found)
    return found


def _read_attribute(reader: WireReader, attribute: Field, node: _Node) -> None:
    name, text = "", ""
    integers: list[int] = []
    number: float | None = None
    for item in reader.inside(attribute, "an attribute"):
        match item.number:
            case 1:
                name = reader.text(item, "an attribute's name")
            case 2:
                reader.require(item, FIXED32, "an attribute's number")
                number = float(reader.floats(item, _DTYPES[1], "an attribute's number")[-1])
            case 3 | 8:
                integers += reader.integers(item, "an attribute's integers")
            case 4:
                text = reader.text(item, "an attribute's text")
            case 5:
                node.tensor = item
    node.integers[name], node.texts[name] = integers, text
    if number is not None:
        node.floats[name] = number


def _read_tensor(reader: WireReader, tensor: Field) -> _Tensor:
    found = _Tensor()
    for item in reader.inside(tensor, "a tensor"):
        match item.number:
            case 1:
                found.shape += reader.integers(item, "sizes of a tensor")
            case 2:
                found.data_type = reader.integer(item, "a tensor's type")
            case 4 | 10:
                found.data.append(item)
            case 7:
                found.integers += reader.integers(item, "a tensor's integers")
            case 8:
                found.name = reader.text(item, "a tensor's name")
            case 9:
                found.raw = item
            case 13:
                key, value = _read_entry(reader, item)
                found.external[key] = value
    return found


def _read_entry(reader: WireReader, entry: Field) -> tuple[str, str]:
    texts = {item.number: reader.text(item, "an external place") for item in reader.inside(entry, "an entry")}
    return texts.get(1, ""), texts.get(2, "")
