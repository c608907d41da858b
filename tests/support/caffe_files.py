"""Seeded Illustration2Vec networks, and writers of Caffe's files for them, apart from the readers under
test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Syntax: TypeAlias = Literal["layer", "layers"]
Part: TypeAlias = "bytes | NDArray[Any]"

CONVOLUTIONS = (
    *("conv1_1", "conv2_1", "conv3_1", "conv3_2", "conv4_1", "conv4_2"),
    *("conv5_1", "conv5_2", "conv6_1", "conv6_2", "conv6_3"),
)
POOLED = ("conv1_1", "conv2_1", "conv3_2", "conv4_2", "conv5_2")
FULL_WIDTHS = (64, 128, 256, 256, 512, 512, 512, 512, 1024, 1024, 1024)
NARROW_WIDTHS = (2, 3, 3, 4, 4, 3, 5, 4, 3, 4, 2)


def shapes(
    *models: str, widths: tuple[int, ...] = NARROW_WIDTHS, tags: int = 7, dimension: int = 6
) -> dict[str, tuple[int, ...]]:
    """Shapes by canonical name; `models` of ``"tag"``, ``"feature"`` and ``"encode2"``."""
    layers: dict[str, tuple[int, ...]] = {}
    channels = 3
    for name, width in zip(CONVOLUTIONS, widths, strict=True):
        layers[name], channels = (width, channels, 3, 3), width
    if "tag" in models:
        layers["conv6_4"] = (tags, channels, 3, 3)
    if "feature" in models:
        layers["encode1"] = (dimension, channels * 49)
    if "encode2" in models:
        layers["encode2"] = (tags, dimension)
    return {
        key: value
        for name, shape in layers.items()
        for key, value in ((f"{name}.weight", shape), (f"{name}.bias", shape[:1]))
    }


class SeededWeights(Mapping[str, NDArray[np.float32]]):
    """Weights of given shapes, made anew at each access: a full-size file needs no memory to write."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> None:
        self.shapes, self.seed = shapes, seed

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        shape = self.shapes[name]
        generator = np.random.default_rng([self.seed, *name.encode()])
        array = generator.standard_normal(shape, np.float32)
        array *= np.float32(math.sqrt(2 / max(math.prod(shape[1:]), 1)))
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def narrow(*models: str, seed: int = 0, **settings: Any) -> dict[str, NDArray[np.float32]]:
    """A narrow network in memory."""
    return dict(SeededWeights(shapes(*models, **settings), seed))


def full_size(*models: str) -> SeededWeights:
    """The published widths."""
    return SeededWeights(shapes(*models, widths=FULL_WIDTHS, tags=1539, dimension=4096))


# --- protobuf


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def length(parts: Iterable[Part]) -> int:
    return sum(part.nbytes if isinstance(part, np.ndarray) else len(part) for part in parts)


def nested(number: int, parts: list[Part]) -> list[Part]:
    return [varint(number << 3 | 2) + varint(length(parts)), *parts]


def integer(number: int, value: int) -> list[Part]:
    return [varint(number << 3) + varint(value)]


def unpacked(number: int, values: NDArray[Any]) -> list[Part]:
    """Every value behind a tag of its own, as proto2 wrote without ``[packed=true]``."""
    tag = np.frombuffer(varint(number << 3 | (1 if values.itemsize == 8 else 5)), np.uint8)
    rows = np.empty((values.size, len(tag) + values.itemsize), np.uint8)
    rows[:, : len(tag)] = tag
    rows[:, len(tag) :] = values.reshape(-1, 1).view(np.uint8)
    return [rows]


@dataclass(frozen=True)
class Style:
    """One of the ways to write the same weights."""

    syntax: Syntax = "layer"
    double: bool = False
    packed: bool = True
    legacy_shape: bool = False
    extras: bool = False  # diffs, and fields that no reader knows
    halves: bool = False  # data in two pieces


STYLES = {
    "current": Style(),
    "legacy": Style(syntax="layers", legacy_shape=True),
    "legacy, new shape": Style(syntax="layers"),
    "current, old shape": Style(legacy_shape=True),
    "double": Style(double=True),
    "legacy double": Style(syntax="layers", double=True, legacy_shape=True),
    "unpacked": Style(packed=False),
    "unpacked double": Style(packed=False, double=True),
    "extras": Style(extras=True),
    "unpacked extras": Style(packed=False, extras=True),
    "halves": Style(halves=True),
    "unpacked halves": Style(packed=False, halves=True),
}


def blob(array: NDArray[Any], style: Style = Style(), sizes: tuple[int, ...] | None = None) -> list[Part]:
    parts: list[Part] = []
    if sizes is not None:
        pass
    elif style.legacy_shape:
        sizes = (1,) * (4 - array.ndim) + array.shape
    else:
        sizes = array.shape
    if style.legacy_shape:
        for number, size in enumerate(sizes, start=1):
            parts += integer(number, size)
    else:
        parts += nested(7, nested(1, [varint(size) for size in sizes]))
    flat = array.reshape(-1).astype(np.float64 if style.double else np.float32, copy=False)
    number = 8 if style.double else 5
    for piece in (flat[: len(flat) // 2], flat[len(flat) // 2 :]) if style.halves else (flat,):
        parts += nested(number, [piece]) if style.packed else unpacked(number, piece)
    if style.extras:
        difference = np.zeros(array.size, np.float32)
        parts += nested(6, [difference]) if style.packed else unpacked(6, difference)
        parts += [*nested(200, [b"unknown"]), *integer(201, 2**40), varint(202 << 3 | 1) + bytes(8)]
    return parts


def layer(
    name: str,
    kind: str,
    blobs: list[list[Part]],
    syntax: Syntax = "layer",
    parameters: list[Part] | None = None,
) -> list[Part]:
    """A layer of the network, as a field of NetParameter."""
    legacy = {"Convolution": 4, "InnerProduct": 14, "ReLU": 18, "Pooling": 17, "Sigmoid": 19}
    extra = parameters or []
    if syntax == "layers":
        parts = nested(4, [name.encode()]) + integer(5, legacy[kind])
        number, field = 6, 2
    else:
        parts = nested(1, [name.encode()]) + nested(2, [kind.encode()])
        number, field = 7, 100
    parts += extra
    for content in blobs:
        parts += nested(number, content)
    return nested(field, parts)


def write_caffemodel(path: Path, weights: Mapping[str, NDArray[np.float32]], style: Style = Style()) -> Path:
    """Write weights by canonical name, one layer in memory at a time."""
    with path.open("wb") as file:
        _write(file, nested(1, [b"Illustration2Vec"]))
        for name in dict.fromkeys(key.rpartition(".")[0] for key in weights):
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            kind = "Convolution" if weight.ndim == 4 else "InnerProduct"
            outputs = integer(1, len(weight))
            if kind == "Convolution":
                number = 10 if style.syntax == "layers" else 106
                parameters = nested(number, outputs + integer(3, 1) + integer(4, 3))
            else:
                parameters = nested(17 if style.syntax == "layers" else 117, outputs)
            _write(
                file, layer(name, kind, [blob(weight, style), blob(bias, style)], style.syntax, parameters)
            )
            if name in CONVOLUTIONS:
                _write(file, layer(f"relu{name[4:]}", "ReLU", [], style.syntax))
    return path


def write_binaryproto(path: Path, mean: NDArray[np.float32], style: Style = Style()) -> Path:
    """Write a mean image (3, height, width) as Caffe's compute_image_mean does."""
    with path.open("wb") as file:
        _write(file, blob(mean[None], style))
    return path


def _write(file: Any, parts: Iterable[Part]) -> None:
    for part in parts:
        file.write(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)


# --- network configurations


def prototxt(weights: Mapping[str, NDArray[np.float32]], syntax: Syntax = "layer") -> str:
    """The deployed network as text, layers for training left out."""
    text = ['name: "Illustration2Vec" # seeded', 'input: "data"']
    text += (
        ["input_shape { dim: 1 dim: 3 dim: 224 dim: 224 }"]
        if syntax == "layer"
        else [f"input_dim: {size}" for size in (1, 3, 224, 224)]
    )
    value = "data"

    def add(name: str, kind: str, top: str, parameters: str = "") -> None:
        nonlocal value
        spelled = (
            f'"{kind}"' if syntax == "layer" else {"InnerProduct": "INNER_PRODUCT"}.get(kind, kind.upper())
        )
        text.append(
            f'{syntax} {{ name: "{name}" type: {spelled} bottom: "{value}" top: "{top}" {parameters} }}'
        )
        value = top

    def convolve(name: str) -> None:
        outputs = weights[f"{name}.weight"].shape[0]
        add(name, "Convolution", name, f"convolution_param {{ num_output: {outputs} pad: 1 kernel_size: 3 }}")

    for name in CONVOLUTIONS:
        convolve(name)
        add(f"relu{name[4:]}", "ReLU", name)
        if name in POOLED:
            pool = f"pool{name[4]}"
            add(pool, "Pooling", pool, "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
    add("drop6_3", "Dropout", "conv6_3", "dropout_param { dropout_ratio: 0.5 }")
    trunk = value
    if "conv6_4.weight" in weights:
        convolve("conv6_4")
        add("pool6", "Pooling", "pool6", "pooling_param { pool: AVE kernel_size: 7 stride: 7 }")
        add("prob", "Sigmoid", "prob")
    value = trunk
    for name, neuron in (("encode1", "encode1neuron"), ("encode2", "encode2neuron")):
        if f"{name}.weight" in weights:
            outputs = weights[f"{name}.weight"].shape[0]
            add(name, "InnerProduct", name, f"inner_product_param {{ num_output: {outputs} }}")
            add(neuron, "Sigmoid", neuron)
    return "\n".join(text) + "\n"
