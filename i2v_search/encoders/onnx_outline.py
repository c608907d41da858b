"""Inputs and outputs of an ONNX file, read without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from i2v_search.encoders.filemap import map_file
from i2v_search.encoders.weights.protobuf import Field, WireReader

#: Sizes of the axes; None for one that is free.
Shape: TypeAlias = tuple[int | None, ...]

_GRAPH, _INITIALIZER, _INPUT, _OUTPUT = 7, 5, 11, 12


@dataclass(frozen=True)
class Outline:
    """What a graph takes and gives, in its order.

    Attributes:
        inputs: shapes by name, without those that are constants.
        outputs: shapes by name.
    """

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]


def read_outline(path: Path) -> Outline:
    """Read the inputs and outputs of an ONNX file through a memory map.

    Raises:
        WeightsError: it cannot be read, or its bytes are not a protobuf message.
    """
    reader = WireReader(map_file(path), path)
    inputs: dict[str, Shape] = {}
    outputs: dict[str, Shape] = {}
    constants: set[str] = set()
    for top in reader.fields():
        if top.number != _GRAPH:
            continue
        for item in reader.inside(top, "the graph"):
            if item.number in {_INPUT, _OUTPUT}:
                name, shape = _value(reader, item)
                (inputs if item.number == _INPUT else outputs)[name] = shape
            elif item.number == _INITIALIZER:
                constants |= {
                    reader.text(part, "a tensor's name")
                    for part in reader.inside(item, "a tensor")
                    if part.number == 8
                }
    return Outline({name: shape for name, shape in inputs.items() if name not in constants}, outputs)


def _value(reader: WireReader, value: Field) -> tuple[str, Shape]:
    """Name and shape of a ``ValueInfoProto``."""
    name, sizes = "", []
    for item in reader.inside(value, "a value"):
        if item.number == 1:
            name = reader.text(item, "a value's name")
        elif item.number == 2:
            sizes = [
                size
                for tensor in reader.inside(item, "a type")
                if tensor.number == 1
                for shape in reader.inside(tensor, "a tensor's type")
                if shape.number == 2
                for axis in reader.inside(shape, "a shape")
                for size in [_size(reader, axis)]
            ]
    return name, tuple(sizes)


def _size(reader: WireReader, axis: Field) -> int | None:
    for item in reader.inside(axis, "an axis"):
        if item.number == 1:
            return reader.integer(item, "the size of an axis")
    return None
